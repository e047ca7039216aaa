"""Reader for Markdown: markdown-it-py finds the headings, and the source text is kept.

Headings are ATX and setext headings outside of code blocks and quotations, and those of HTML.
"""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

from agents.passages.blocks import is_label, is_linked
from agents.passages.html import read_html
from agents.passages.markdown_source import without_dialect
from agents.passages.plaintext import read_plain_text
from agents.passages.sections import Continued, Section, Trail

_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_IMAGE = re.compile(r"!\[[^\[\]]*\](?:\([^()]*\)|\[[^\[\]]*\])")
_TEXT_LINK = re.compile(r"\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])")
_ATTRIBUTES = re.compile(r"\s*\{[:#.][^{}]*\}\s*\Z")
"""Attributes of a heading, such as ``{#id}``."""
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,500}>")
_HTML_HEADING = re.compile(
    r"<h([1-6])\b[^<>]{0,500}>((?:(?!<h[1-6]\b).){0,1000}?)</h\1\s*>", re.DOTALL | re.IGNORECASE
)
_ATX = re.compile(r"\n[ \t]*\n(?=#{1,6}[ \t]+\S)")
"""The blank line before a heading."""
_MOST_REPAIRS = 5
"""Code blocks without an end that are ended before a heading."""
_MOST_LINES = 100_000
"""A longer text is read as plain text: the parser takes up to 60 microseconds a line."""
_SHORT_LINES = 10_000
_SHORT = 12
"""So is a text of over ``_SHORT_LINES`` lines with less than ``_SHORT`` characters on average: it
would take as long as a text of many times its size.
"""
_LONGEST_HEADING = 1000
"""Characters of a heading's source that are read."""


def block_parser() -> MarkdownIt:
    """A parser of block structure only: inline text is not parsed, so it cannot be slow."""
    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser


def read_markdown(text: str, parser: MarkdownIt, title: str | None = None) -> Iterator[Section]:
    """The sections of a Markdown text, in order.

    Blocks of raw HTML are left out, but for their headings, and so are blocks of links and of
    images. A fenced block is never divided; one without an end ends before the next heading.
    """
    text = without_dialect(text.replace("\r\n", "\n").replace("\r", "\n"))
    # Lines as the parser counts them: str.splitlines would also split at form feeds, for example.
    lines = text.split("\n")
    if len(lines) > min(_MOST_LINES, max(_SHORT_LINES, len(text) // _SHORT)):
        yield from read_plain_text(text, title)
        return
    tokens = parser.parse(text)
    for _ in range(_MOST_REPAIRS):
        repaired = _with_end_of_code(lines, tokens)
        if repaired is None:
            break
        lines = repaired
        tokens = parser.parse("\n".join(lines))
    yield from _Sections(title).read(lines, tokens)


class _Sections:
    """The sections of a text while its blocks are read from top to bottom."""

    def __init__(self, title: str | None) -> None:
        self._trail = Trail(title)
        self._blocks: list[str] = []

    def read(self, lines: list[str], tokens: list[Token]) -> Iterator[Section]:
        for index, token in enumerate(tokens):
            if token.level or token.map is None:
                continue
            if token.type == "heading_open":
                yield from self._enter(int(token.tag[1:]), _plain(tokens[index + 1].content))
                continue
            block = "\n".join(lines[token.map[0] : token.map[1]]).strip("\n").rstrip()
            if token.type == "html_block":
                yield from self._html(block)
            elif block and token.type != "hr":
                self._add(block, token.type)
        yield from self._end()

    def _enter(self, level: int, heading: str) -> Iterator[Section]:
        yield from self._end()
        self._trail.enter(level, heading)

    def _end(self) -> Iterator[Section]:
        if self._blocks:
            yield Section(self._trail.headings, self._blocks)
            self._blocks = []

    def _html(self, block: str) -> Iterator[Section]:
        """Enter the headings of a block of HTML; the text between them is then content."""
        at = 0
        for heading in _HTML_HEADING.finditer(block):
            if at:
                self._blocks += _text_of(block[at : heading.start()])
            at = heading.end()
            yield from self._enter(int(heading[1]), " ".join(_text_of(f"<p>{heading[2]}")))
        if at:
            self._blocks += _text_of(block[at:])

    def _add(self, block: str, kind: str) -> None:
        if kind in ("fence", "code_block"):
            self._blocks.append(Continued(block) if self._blocks else block)
            return
        source = _IMAGE.sub("", block)
        text = _TEXT_LINK.sub(r"\1", source)
        if not any(map(str.isalnum, text)):
            return
        linked = sum(len(link[1]) for link in _TEXT_LINK.finditer(source))
        if linked and is_linked(text, linked):
            if kind != "paragraph_open" and self._blocks and is_label(self._blocks[-1]):
                self._blocks.pop()
            return
        self._blocks.append(block)


def _with_end_of_code(lines: list[str], tokens: list[Token]) -> list[str] | None:
    """The lines with an end of the last code block before a heading in it; None where it has one.

    A fence that is never closed would make code of the rest of the text.
    """
    last = tokens[-1] if tokens else None
    if last is None or last.type != "fence" or last.map is None or last.level:
        return None
    start = last.map[0]
    code = "\n".join(lines[start:])
    if (
        len(code.rstrip().split("\n")) > 1
        and code.rstrip().rsplit("\n", 1)[1].strip() == last.markup
    ):
        return None
    heading = _ATX.search(code)
    if heading is None:
        return None
    return [
        *lines[:start],
        *f"{code[: heading.start()]}\n{last.markup}\n".split("\n"),
        *code[heading.end() :].split("\n"),
    ]


def _text_of(html: str) -> list[str]:
    return [block for section in read_html(html) for block in section.blocks]


def _plain(heading: str) -> str:
    """A heading without its links, emphasis, code marks, tags and attributes."""
    text = _LINK.sub(r"\1", _ATTRIBUTES.sub("", heading[:_LONGEST_HEADING]))
    text = _TAG.sub("", text) if "<" in text else text
    return " ".join(text.replace("`", "").replace("*", "").split())
