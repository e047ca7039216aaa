"""HTML, read as a run of tags in one pass from left to right, with no tree.

A tree is not needed to find the text under each heading, and building one is what a hostile page
attacks. Measured with lexbor: 100,000 nested ``<div>`` take 14 s, nested ``<ul><li>`` over a
minute, and 40 kB of unclosed ``<font>`` 735 MB. Here time and memory grow with the length of the
page alone, whatever is nested in what; a test holds the text against that of a tree on ordinary
pages.
"""

import re
from collections.abc import Iterator
from html import unescape

from agents.passages.sections import Section, Trail

_TAG = re.compile(
    # A comment, also one that is never closed; a doctype or processing instruction.
    r"<!--(?:-?>|.*?(?:--!?>|\Z))|<[!?][^>]*(?:>|\Z)|"
    # A tag, with quoted values that may contain '>'; then one whose quotes do not pair up. The
    # bounds and the stop at '<' keep a page of broken tags from being scanned again for each of
    # them.
    r"<(/?)([a-zA-Z][^\s/<>]*+)"
    r"(?:[^<>\"']*+(?:(?:\"[^\"]*+\"|'[^']*+')[^<>\"']*+){0,100}+>|[^<>]*+>)",
    re.DOTALL,
)
_SPACES = re.compile(r"[ \t\n\f\r]+")
_WIDE_SPACES = re.compile(r" {2,}")
_EMPTY_ITEM = re.compile(r"^-(?:\n|\Z)", re.MULTILINE)
_LINES = re.compile(r"\n(?:[ \t]*\n)+")

_RAW = ("script", "style", "textarea", "title", "iframe", "xmp", "noembed", "noframes")
"""Elements whose content is not markup; none is text to read."""
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
"""Elements that hold what is around the text."""
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
"""Blocks that generators put inside a heading; any other ends a heading that was never closed."""
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
"""What documentation generators hang on a heading as a link to itself."""


def read_html(html: str, title: str | None = None) -> Iterator[Section]:
    """The sections of a page, in order: readable text only, white space folded except in ``<pre>``.

    Navigation, headers, footers, asides and forms are left out; a header inside an article, and a
    form that is most of the page, are content.
    """
    return _Reader(html, title).sections()


class _Reader:
    """Where the reading of one page stands."""

    def __init__(self, html: str, title: str | None) -> None:
        self._html = html
        self._trail = Trail(title)
        self._blocks: list[str] = []
        self._pieces: list[str] = []
        """Text of the block being read."""
        self._level = 0
        """Level of the heading being read, 0 outside of headings."""
        self._pre = 0
        self._articles = 0
        self._never_closed: set[str] = set()

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
            text = unescape(text)
        self._pieces.append(text if self._pre else _SPACES.sub(" ", text))

    def _boundary(self, name: str, closes: bool) -> None:
        """A tag that may end a block, a line or a cell; any other is part of its line."""
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
        """End the block being read."""
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
        """Where reading goes on after an element that is left out; ``position`` itself if it turns
        out to be content.
        """
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
