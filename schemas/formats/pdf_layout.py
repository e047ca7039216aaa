"""Lines of a PDF file as headings, paragraphs, lists, tables and code.

A PDF file says where each character stands, not what it is. So sizes, weights, places and the
bookmarks of the file tell what a line is; running heads and page numbers are left out.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from statistics import median
from typing import NamedTuple

from schemas.formats import html

_LARGER = 1.12
"""Height of a heading's line, in heights of the text."""
_LONGEST_HEADING = 160
_LONGEST_BOLD = 90
"""Characters of a bold line in the size of the text that may be a heading."""
_MOST_BOLD = 0.3
"""Share of bold characters above which they tell nothing."""
_APART = 1.35
"""Distance of two lines that ends a paragraph, in usual distances."""
_INDENT = 0.8
"""Indentation that begins a paragraph, in heights of the line."""
_SHORT_LINE = 0.75
"""Share of the usual width below which a line that ends a sentence ends its paragraph."""
_EDGE_LINES = 2
"""Lines at the top and at the bottom of a page that may be running heads."""
_EDGE = 0.18
"""Share of the page's height in which they stand."""
_REPEATED = 3
"""Pages on which a running head stands, at least."""
_BULLET = re.compile(r"[•‣◦▪▫●○■□–—➢➤✓\uf0b7\uf0a7*-]\s+(?=\S)")
_NUMBER = re.compile(r"(?:\(?\d{1,2}[.)]|\(?[a-z][.)])\s+(?=\S)")
_PAGE_NUMBER = re.compile(
    r"[-–—\s]*(?:page\s+)?(?:\d{1,5}|[ivxlc]{1,7})(?:\s*(?:/|of)\s*\d+)?[-–—\s]*", re.IGNORECASE
)
_LEADERS = re.compile(r"(?:\.[ .]*){5,}[\divxlc]{1,7}\Z")
"""Dots and a page number: an entry of a contents table."""
_SPACELESS = re.compile("[\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\u0e00-\u0eff]")
"""Characters of scripts that have no spaces between words."""
_NOTE = 0.87
"""Height of the lines of notes at the bottom of a page, in heights of the text."""
_SENTENCE_END = (".", "!", "?", ":", "。", "！", "？", "।", "؟", '."', ".”", ".)")


class Line(NamedTuple):
    """A line of text. Places are in points, from the left and from the bottom of the page."""

    cells: tuple[tuple[float, str], ...]
    """Its parts between wide gaps, with their left ends."""
    right: float
    bottom: float
    height: float
    bold: bool = False
    mono: bool = False
    """Whether its characters are equally wide."""
    hyphen: bool = False
    """Whether it ends within a word."""

    @property
    def left(self) -> float:
        """Its left end."""
        return self.cells[0][0]

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join(text for _, text in self.cells)


class Page(NamedTuple):
    """The lines of a page in the order of its content."""

    height: float
    lines: list[Line]


def as_blocks(pages: Sequence[Page], outline: Mapping[tuple[int, str], int]) -> list[str]:
    """The pages as HTML.

    ``outline`` has the levels of bookmarks, by the number of their page and their title in lower
    case without white space.
    """
    heights = Counter[float]()
    for page in pages:
        for line in page.lines:
            heights[round(line.height, 1)] += len(line.text)
    body = heights.most_common(1)[0][0]
    bold = sum(len(line.text) for page in pages for line in page.lines if line.bold)
    heads = _running_heads(pages, body)
    in_bold = bold < _MOST_BOLD * heights.total()
    layout = _Layout(_levels(pages, body), outline, in_bold)
    for number, page in enumerate(pages):
        layout.read(number, _without_notes(list(_without_heads(page, heads, body)), body))
    return layout.end()


def _without_heads(page: Page, heads: Collection[tuple[str, str]], body: float) -> Iterator[Line]:
    for edge, line in _with_edges(page):
        is_head = line.height <= body * _LARGER and (edge, _shape(line)) in heads
        is_number = edge and _PAGE_NUMBER.fullmatch(line.text)
        if not is_head and not is_number and not _LEADERS.search(line.text):
            yield line


def _without_notes(lines: list[Line], body: float) -> list[Line]:
    """The lines of a page without the notes at its end, unless most of it is so small."""
    end = len(lines)
    while end and lines[end - 1].height < _NOTE * body:
        end -= 1
    return lines[:end] if end * 2 > len(lines) else lines


def _with_edges(page: Page) -> Iterator[tuple[str, Line]]:
    """Each line, with the edge of the page at which it stands, or an empty text."""
    by_height = sorted(range(len(page.lines)), key=lambda index: -page.lines[index].bottom)
    top, bottom = set(by_height[:_EDGE_LINES]), set(by_height[-_EDGE_LINES:])
    for index, line in enumerate(page.lines):
        if index in top and line.bottom > (1 - _EDGE) * page.height:
            yield "top", line
        elif index in bottom and line.bottom < _EDGE * page.height:
            yield "bottom", line
        else:
            yield "", line


def _shape(line: Line) -> str:
    return re.sub(r"\d+", "#", line.text.lower())


def _running_heads(pages: Sequence[Page], body: float) -> set[tuple[str, str]]:
    """Lines that stand at the same edge of several pages, whatever their numbers are.

    They are no larger than the text, as the titles of chapters are.
    """
    counts = Counter[tuple[str, str]]()
    for page in pages:
        counts.update(
            {
                (edge, _shape(line))
                for edge, line in _with_edges(page)
                if edge and line.height <= body * _LARGER
            }
        )
    return {head for head, count in counts.items() if count >= _REPEATED}


def _levels(pages: Sequence[Page], body: float) -> dict[float, int]:
    """Levels of headings by the heights of their lines, the largest first."""
    found = {
        round(line.height, 1)
        for page in pages
        for line in page.lines
        if line.height > body * _LARGER and len(line.text) <= _LONGEST_HEADING and not line.mono
    }
    levels: dict[float, int] = {}
    level, last = 0, float("inf")
    for height in sorted(found, reverse=True):
        if height < last * 0.97:
            level += 1
            last = height
        levels[height] = level
    return levels


@dataclass
class _Layout:
    """The blocks while pages are read one after the other."""

    levels: Mapping[float, int]
    outline: Mapping[tuple[int, str], int]
    in_bold: bool
    """Whether bold lines are headings."""
    blocks: list[str] = field(default_factory=list)
    open: list[Line] = field(default_factory=list)
    """Lines of the paragraph that is being read."""
    listed: list[str] = field(default_factory=list)
    """Items of the list that is being read."""
    numbered: bool = False
    heading: str = ""
    level: int = 0
    """Level of the heading that is being read, 0 for none."""

    def read(self, number: int, lines: Sequence[Line]) -> None:
        """Read a page."""
        distance = _usual_distance(lines)
        width = max((line.right - line.left for line in lines), default=0)
        for kind, group in groupby(_kinds(lines), key=lambda pair: pair[0]):
            members = [line for _, line in group]
            if kind == "mono":
                self._code(members)
            elif kind == "table":
                self._end_paragraph()
                self._end_list()
                self._end_heading()
                self.blocks.append(html.table([_cells(line) for line in members]))
            else:
                for line in members:
                    self._line(number, line, distance, width)

    def end(self) -> list[str]:
        """The blocks."""
        self._end_paragraph()
        self._end_list()
        self._end_heading()
        return self.blocks

    def _line(self, number: int, line: Line, distance: float, width: float) -> None:
        level = self._level_of(number, line)
        if level:
            self._end_paragraph()
            self._end_list()
            if self.level == level and self.heading and not self._named(number, line):
                self.heading += f" {line.text}"
            else:
                self._end_heading()
                self.heading, self.level = line.text, level
            return
        self._end_heading()
        if self.open and self._begins(line, self.open[-1], distance, width):
            self._end_paragraph()
        self.open.append(line)

    def _named(self, number: int, line: Line) -> int:
        """The level of a line in the outline, 0 where it is none."""
        return self.outline.get((number, "".join(line.text.lower().split())), 0)

    def _level_of(self, number: int, line: Line) -> int:
        """The level of the heading that a line is, or 0."""
        text = line.text
        if named := self._named(number, line):
            return named
        if len(text) > _LONGEST_HEADING or not any(map(str.isalpha, text)):
            return 0
        if level := self.levels.get(round(line.height, 1)):
            return level
        if (
            self.in_bold
            and line.bold
            and len(line.cells) == 1
            and len(text) <= _LONGEST_BOLD
            and not text.endswith((".", ",", ";", ":"))
            and not _BULLET.match(text)
            and not (self.open and 0 < self.open[-1].bottom - line.bottom < 1.2 * line.height)
        ):
            return len(set(self.levels.values())) + 1
        return 0

    def _begins(self, line: Line, before: Line, distance: float, width: float) -> bool:
        """Whether a line begins a paragraph or an item."""
        if _BULLET.match(line.text) or _NUMBER.match(line.text):
            return True
        ended = before.text.endswith(_SENTENCE_END) and not before.hyphen
        step = before.bottom - line.bottom
        if step < 0:  # the next column or page
            return ended and before.right - before.left < _SHORT_LINE * width
        if step > _APART * distance:
            return True
        if ended and before.right - before.left < _SHORT_LINE * width:
            return True
        first = self.open[0]
        item = _BULLET.match(first.text) or _NUMBER.match(first.text)
        return not item and ended and line.left - before.left > _INDENT * line.height

    def _end_paragraph(self) -> None:
        if not self.open:
            return
        text = _joined(self.open)
        self.open = []
        for mark, numbered in ((_BULLET, False), (_NUMBER, True)):
            if match := mark.match(text):
                if self.listed and self.numbered != numbered:
                    self._end_list()
                self.numbered = numbered
                self.listed.append(text[match.end() :])
                return
        self._end_list()
        self.blocks.append(html.paragraph(text))

    def _end_list(self) -> None:
        if self.listed:
            self.blocks.append(html.items(self.listed, self.numbered))
            self.listed = []

    def _end_heading(self) -> None:
        if self.heading:
            self.blocks.append(html.heading(self.level, self.heading))
        self.heading, self.level = "", 0

    def _code(self, lines: Sequence[Line]) -> None:
        self._end_paragraph()
        self._end_list()
        self._end_heading()
        left = min(line.left for line in lines)
        text = []
        for line in lines:
            width = max((line.right - line.left) / max(len(line.text), 1), 0.1)
            text.append(" " * min(round((line.left - left) / width), 60) + line.text)
        self.blocks.append(html.code("\n".join(text)))


def _cells(line: Line) -> list[str]:
    return [text for _, text in line.cells]


def _kinds(lines: Sequence[Line]) -> Iterator[tuple[str, Line]]:
    """Each line with what it is: code, a row of a table, or text."""
    for index, line in enumerate(lines):
        if line.mono:
            yield "mono", line
        elif any(
            _aligned(line, lines[other])
            for other in (index - 1, index + 1)
            if 0 <= other < len(lines)
        ):
            yield "table", line
        else:
            yield "text", line


def _aligned(line: Line, other: Line) -> bool:
    """Whether two lines have cells below each other."""
    if len(line.cells) < 2 or len(other.cells) < 2 or line.bottom == other.bottom:
        return False
    shared = sum(any(abs(x - y) <= line.height for y, _ in other.cells) for x, _ in line.cells)
    return shared >= 2


def _usual_distance(lines: Sequence[Line]) -> float:
    """The distance from one line of text to the next."""
    steps = [
        above.bottom - below.bottom
        for above, below in pairwise(lines)
        if 0 < above.bottom - below.bottom < 3 * above.height
    ]
    return median(steps) if steps else 12.0


def _joined(lines: Sequence[Line]) -> str:
    """The text of a paragraph, whose hyphenated words are whole again."""
    parts: list[str] = []
    for line in lines:
        text = line.text
        if parts and parts[-1].endswith("-") and parts[-1][-2:-1].isalpha() and text[:1].islower():
            parts[-1] = parts[-1][:-1]
        elif parts and not (_SPACELESS.match(text[:1]) and _SPACELESS.match(parts[-1][-1:])):
            parts.append(" ")
        parts.append(text)
    return "".join(parts)
