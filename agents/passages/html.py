"""Reader for HTML: one pass over the tags from left to right, without a tree.

A tree is not needed to find the text under each heading, and building one is what a hostile page
attacks. Measured with lexbor: 100,000 nested ``<div>`` take 14 s, nested ``<ul><li>`` over a
minute, and 40 kB of unclosed ``<font>`` 735 MB. Here time and memory depend on the length of the
page only, not on its nesting. On ordinary pages a test compares the text with that of a tree.
"""

import re
from collections.abc import Iterator
from html import unescape

from agents.passages.sections import Section, Trail

_TAG = re.compile(
    # A comment, also one that is never closed; a doctype or processing instruction.
    r"<!--(?:-?>|.*?(?:--!?>|\Z))|<[!?][^>]*(?:>|\Z)|"
    # A tag with quoted values, which may contain '>'; then a tag with an unpaired quote. The bounds
    # and the stop at '<' prevent a page of broken tags from being scanned once for each of them.
    r"<(/?)([a-zA-Z][^\s/<>]*+)"
    r"(?:[^<>\"']*+(?:(?:\"[^\"]*+\"|'[^']*+')[^<>\"']*+){0,100}+>|[^<>]*+>)",
    re.DOTALL,
)
_HUGE_REFERENCE = re.compile(r"&#[0-9]{1000,};?")
"""A character reference with more digits than Python makes a number of."""
_SPACES = re.compile(r"[ \t\n\f\r]+")
_WIDE_SPACES = re.compile(r" {2,}")
_EMPTY_ITEM = re.compile(r"^-(?:\n|\Z)", re.MULTILINE)
_LINES = re.compile(r"\n(?:[ \t]*\n)+")

_RAW = ("script", "style", "textarea", "title", "iframe", "xmp", "noembed", "noframes")
"""Elements whose content is not markup. It is left out."""
_SKIPPED = (
    "nav",
    "header",
    "footer",
    "aside",
    "form",
    "noscript",
    "template",
    "svg",
    "select",
    "button",
)
"""Elements around the main text. They are left out."""
_ENDS = {name: re.compile(rf"</{name}(?=[\s/>])[^>]*>", re.IGNORECASE) for name in _RAW}
_EDGES = {name: re.compile(rf"<(/?){name}(?=[\s/>])[^>]*>", re.IGNORECASE) for name in _SKIPPED}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_IN_HEADINGS = frozenset(
    (
        "div",
        "section",
        "details",
        "summary",
        "figure",
        "figcaption",
        "address",
        "center",
        "fieldset",
    )
)
"""Blocks that generators put inside a heading. Any other block ends an unclosed heading."""
_PARAGRAPHS = _IN_HEADINGS | {"p", "article", "main", "ul", "ol", "dl", "table", "blockquote", "hr"}
_LINE_BREAKS = {
    "br": "\n",
    "li": "\n- ",
    "dt": "\n",
    "dd": "\n",
    "tr": "\n",
    "caption": "\n",
    "option": "\n",
}
_CELLS = frozenset(("td", "th"))
_ANCHOR_SIGNS = " ¶§#\N{LINK SYMBOL}"
"""Signs that documentation generators append to a heading as a link to itself."""


def read_html(html: str, title: str | None = None) -> Iterator[Section]:
    """The sections of a page, in order: visible text, with white space folded except in ``<pre>``.

    Navigation, headers, footers, asides and forms are left out. A header inside an article is
    content, and so is a form that is most of the page.
    """
    return _Reader(html, title).sections()


class _Reader:
    """State of reading one page."""

    def __init__(self, html: str, title: str | None) -> None:
        self._html = html
        self._trail = Trail(title)
        self._blocks: list[str] = []
        self._pieces: list[str] = []
        """Text of the current block."""
        self._level = 0
        """Level of the current heading, 0 outside of headings."""
        self._pre = 0
        """Number of open ``<pre>``."""
        self._articles = 0
        """Number of open ``<article>`` and ``<main>``."""
        self._never_closed: set[str] = set()
        """Names of skipped elements of which one is not closed up to the end of the page."""

    def sections(self) -> Iterator[Section]:
        html, position = self._html, 0
        while tag := _TAG.search(html, position):
            if tag.start() > position:
                self._text(html[position : tag.start()])
            position = tag.end()
            name = tag[2]
            if name is None:
                continue
            name, closes = name.lower(), bool(tag[1])
            if name in _HEADINGS:
                if closes:
                    self._end_heading()
                elif section := self._start_heading(_HEADINGS[name]):
                    yield section
            elif not closes and (name in _ENDS or name in _EDGES):
                position = self._after(name, tag.start(), position)
            else:
                self._boundary(name, closes)
        self._text(html[position:])
        self._end_heading()
        self._flush()
        if self._blocks:
            yield Section(self._trail.headings, self._blocks)

    def _text(self, text: str) -> None:
        if "&" in text:
            text = unescape(_HUGE_REFERENCE.sub("\ufffd", text))
        self._pieces.append(text if self._pre else _SPACES.sub(" ", text))

    def _boundary(self, name: str, closes: bool) -> None:
        """Handle a tag that may end a block, a line or a cell; ignore any other."""
        if name in _LINE_BREAKS:
            if not closes:
                self._pieces.append(_LINE_BREAKS[name])
        elif name in _CELLS:
            if not closes:
                self._pieces.append(
                    " | " if self._pieces and not self._pieces[-1].endswith("\n") else ""
                )
        elif self._level and name in _IN_HEADINGS:
            self._pieces.append(" ")
        elif name == "pre":
            self._end_heading()
            self._flush()
            self._pre = max(0, self._pre + (-1 if closes else 1))
        elif name in _PARAGRAPHS:
            self._end_heading()
            self._flush()
            if name in ("article", "main"):
                self._articles = max(0, self._articles + (-1 if closes else 1))

    def _start_heading(self, level: int) -> Section | None:
        self._end_heading()
        self._flush()
        section = Section(self._trail.headings, self._blocks) if self._blocks else None
        self._blocks = []
        self._level = level
        return section

    def _end_heading(self) -> None:
        if self._level:
            self._trail.enter(
                self._level, " ".join("".join(self._pieces).split()).rstrip(_ANCHOR_SIGNS)
            )
            self._pieces = []
            self._level = 0

    def _flush(self) -> None:
        """End the current block."""
        if not self._pieces:
            return
        text = "".join(self._pieces)
        self._pieces = []
        if self._pre:
            blocks = _LINES.split(text.replace("\r\n", "\n"))
            self._blocks += [block for piece in blocks if (block := piece.strip("\n").rstrip())]
        else:
            text = _WIDE_SPACES.sub(" ", text).replace(" \n", "\n").replace("\n ", "\n").strip()
            text = _EMPTY_ITEM.sub("", text) if "-" in text else text
            if text:
                self._blocks.append(text)

    def _after(self, name: str, start: int, position: int) -> int:
        """Position after an element that is left out, or ``position`` where it is content."""
        self._pieces.append(" ")
        if name in _ENDS:
            end = _ENDS[name].search(self._html, position)
            return end.end() if end else len(self._html)
        if name in self._never_closed or (name == "header" and self._articles):
            return position
        depth = 1
        for edge in _EDGES[name].finditer(self._html, position):
            depth += -1 if edge[1] else 1
            if not depth:
                layout = name == "form" and (edge.end() - start) * 2 > len(self._html)
                return position if layout else edge.end()
        self._never_closed.add(name)
        return position
