"""Reader for HTML: one pass over the tags from left to right, without a tree.

A tree is not needed to find the text under each heading, and building one is what a hostile page
attacks. Measured with lexbor: 100,000 nested ``<div>`` take 14 s, nested ``<ul><li>`` over a
minute, and 40 kB of unclosed ``<font>`` 735 MB. Here time and memory depend on the length of the
page only, not on its nesting. On ordinary pages a test compares the text with that of a tree.

The pass collects the page as a list: text, and marks for headings, borders of blocks, rows and
cells. An element that surrounds the text is taken out of the list when it is closed, so one that is
never closed does not swallow the page. ``blocks.py`` makes sections of what remains.
"""

import re
from collections.abc import Iterator, Sequence

from agents.passages.blocks import (
    Border,
    Code,
    Heading,
    Item,
    Linked,
    Piece,
    Table,
    TableMark,
    fold,
)
from agents.passages.boilerplate import Part, part_of
from agents.passages.centre import Extent, without_surroundings
from agents.passages.code_lines import has_lines_of_code
from agents.passages.elements import (
    AROUND_NAMES,
    BLOCKS,
    CELLS,
    HEADINGS,
    IMPLIED,
    IN_HEADINGS,
    LINES,
    NAMING,
    STRUCTURE,
    TABLES,
    ended_by,
)
from agents.passages.formulas import formula_of
from agents.passages.markup import attributes, plain, tags
from agents.passages.sections import Section
from agents.passages.spans import spans
from schemas.text.xhtml import VOID

_SPACES = re.compile(r"[ \t\n\f\r\u00a0]+")
_OVERLAP = 8
"""Open elements among which an end tag inside of a line looks for its element."""
_LONGEST_LINK = 500
"""Characters after which a link counts as never closed."""
_NOTE = re.compile(
    r"\s*[\[(]?(?:\d{1,3}|[a-z]|note \d{1,2})[\])]?\s*|\s*[*†‡§¶#↑↩^\N{LINK SYMBOL}]+\s*"
)
"""Text of a link to a note, or to the place where it stands."""
_ANCHOR_SIGNS = " ¶§#\N{LINK SYMBOL}\u200b\u2060"
"""Signs that documentation generators append to a heading as a link to itself."""
_CLOSING = ".,;:!?)]}"
"""Signs that stand beside the word before them, also where something between was left out."""
_DEEPEST_LIST = 8
"""Lists within lists that are indented further."""


def read_html(html: str, title: str | None = None) -> Iterator[Section]:
    """The sections of a page, in order: visible text, with white space folded except in ``<pre>``.

    Hidden text, navigation, headers, footers and asides are left out, and so are lists and
    paragraphs of links, notes, and numbers of lines. A header inside an article is content, and so
    is a form that has most of the page's text.
    """
    return fold(_Reader().read(html), title)


class _Element:
    """An open element."""

    __slots__ = ("characters", "code", "name", "outer", "part", "prose", "start", "table")

    def __init__(self, name: str, part: Part, start: int, prose: int, characters: int) -> None:
        self.name = name
        self.part = part
        self.start = start
        """Index in the page's list at which its content begins."""
        self.prose = prose
        """Characters outside of links before it."""
        self.characters = characters
        """Characters before it."""
        self.code = False
        """Whether its content is code."""
        self.table: Table | None = None
        self.outer: dict[str, int] | None = None
        """For a cell: the number of open elements outside of it, by name."""


class _Reader:
    """State of reading one page."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._open: list[_Element] = []
        self._names: dict[str, int] = {}
        """Number of open elements by name, in the current cell only."""
        self._cells: list[_Element] = []
        self._tables: list[Table] = []
        self._lists: list[int | None] = []
        """Open lists: the number of the last item, None where items have no numbers."""
        self._prose = 0
        """Characters outside of links."""
        self._characters = 0
        self._maybe: list[Extent] = []
        """Elements that surround the text unless most of it is in them, and those that may be its
        centre. Inner ones come first.
        """
        self._level = 0
        """Level of the current heading, 0 outside of headings."""
        self._heading = 0
        """Index in ``_pieces`` at which it begins."""
        self._aside: Sequence[str] = ()
        """What was left out of the current heading, term or head cell, and may be all of it."""
        self._code = 0
        """Number of open elements with code."""
        self._code_in_lines = 0
        """Those of them that are no ``<pre>``: each line of the code is an element."""
        self._articles = 0
        """Number of open ``<article>`` and ``<main>``."""
        self._exempt = 0
        """Number of open terms and head cells, whose links are their names."""
        self._link_from: int | None = None
        """Characters before the current link; None outside of links."""
        self._to_note = False
        """Whether the current link leads to a place in the page."""
        self._gap = False
        """Whether something was left out before the next text, which must not join two words."""

    def read(self, html: str) -> list[Piece]:
        """The text and the marks of a page, without what surrounds the text."""
        for tag in tags(html):
            if tag.text:
                self._text(plain(tag.text))
            if tag.closes:
                self._end(tag.name)
            elif tag.name in VOID:
                self._void(tag.name, tag.attributes)
            elif tag.name:
                self._start(tag.name, tag.attributes)
        self._end_heading()
        for table in self._tables:
            table.decide()
        return without_surroundings(self._pieces, self._maybe, self._prose)

    def _text(self, text: str) -> None:
        if not text:  # it was a soft hyphen
            return
        if self._code:
            if self._code == self._code_in_lines and "\n" in text and text.isspace():
                return
            self._gap = False
            self._pieces.append(Code(text.replace("\u00a0", " ")))
            self._characters += len(text)
            return
        text = _SPACES.sub(" ", text)
        length = len(text) - 1 if text[0] == " " else len(text)
        self._characters += length
        if self._gap and text[0] not in _CLOSING:
            text = " " + text
        self._gap = False
        if self._link_from is not None:
            self._pieces.append(text if self._exempt else Linked(text))
            if self._characters - self._link_from > _LONGEST_LINK:
                self._link_from = None
            return
        self._prose += length
        self._pieces.append(text)

    def _void(self, name: str, source: str) -> None:
        if name == "br":
            self._pieces.append(Code("\n") if self._code else Border.LINE)
        elif name == "hr":
            self._border(name)
        elif name == "img":
            self._text(formula_of(source))

    def _start(self, name: str, source: str) -> None:
        if name in HEADINGS:
            self._end_heading()
            self._pieces.append(Border.BLOCK)
        elif name in BLOCKS:
            self._border(name)
        if name in STRUCTURE:
            ended = ended_by(name)
            while self._open and self._open[-1].name in ended:
                self._pop(own=True)
        part = part_of(name, source)
        if part is Part.AROUND and name == "header" and self._articles:
            part = Part.TEXT
        element = _Element(name, part, len(self._pieces), self._prose, self._characters)
        self._open.append(element)
        self._names[name] = self._names.get(name, 0) + 1
        if name in NAMING:
            self._aside = ()
        if name == "pre" or has_lines_of_code(name, source):
            self._start_code(element)
        if name in HEADINGS:
            self._level, self._heading = HEADINGS[name], len(self._pieces)
            self._lay_out()
        elif name in TABLES:
            self._start_in_table(element, source)
        elif name == "a":
            place = attributes(source).get("href", "")
            self._link_from = self._characters if place else None
            self._to_note = place.startswith("#")
        elif name in ("ul", "ol", "li"):
            self._start_in_list(name, source)
        elif name in ("article", "main"):
            self._articles += 1
        elif name == "dl":
            self._pieces.append(Border.LIST)
        elif name == "dt":
            self._exempt += 1
            self._pieces.append(Border.TERM)
        elif name == "dd":
            self._pieces.append(Border.DEFINITION)
        elif name == "option":
            self._pieces.append(Border.LINE)

    def _lay_out(self) -> None:
        """Note that the open tables only lay out."""
        if self._tables:
            self._tables[-1].lay_out()

    def _start_code(self, element: _Element) -> None:
        element.code = True
        self._code += 1
        self._code_in_lines += element.name != "pre"
        self._lay_out()

    def _end_code(self, element: _Element) -> None:
        self._code -= 1
        self._code_in_lines -= element.name != "pre"
        if not self._code:
            self._pieces.append(Border.BLOCK)

    def _break_line(self) -> None:
        """Begin a line of code, unless the last one is ended."""
        last = self._pieces[-1] if self._pieces else None
        if isinstance(last, Code) and not last.endswith("\n"):
            self._pieces.append(Code("\n"))

    def _end_line(self, start: int) -> None:
        """End a line of code that is an element; an empty one is an empty line."""
        if len(self._pieces) == start:
            self._pieces.append(Code("\n"))
        else:
            self._break_line()

    def _start_in_list(self, name: str, source: str) -> None:
        if self._code:
            self._break_line()
            if name != "li":
                self._lists.append(None)
            return
        number = self._lists[-1] if self._lists else None
        if name == "li":
            depth = min(max(0, len(self._lists) - 1), _DEEPEST_LIST)
            if number is not None:
                self._lists[-1] = number + 1
            mark = "- " if number is None else f"{number + 1}. "
            self._pieces.append(Item("  " * depth + mark))
            return
        self._pieces.append(Border.LIST)
        start = attributes(source).get("start", "1") if source else "1"
        first = int(start) if start.isascii() and start.isdecimal() and len(start) < 6 else 1
        self._lists.append(first - 1 if name == "ol" else None)

    def _start_in_table(self, element: _Element, source: str) -> None:
        name = element.name
        in_table = bool(self._tables) and not self._code
        if self._code and name == "tr":
            self._break_line()
        elif name == "table" and not self._code:
            outer = self._tables[-1] if self._tables else None
            if outer and not outer.has_head:
                outer.lays_out = True
            role = attributes(source).get("role", "") if source else ""
            element.table = Table(lays_out=role in ("presentation", "none"), outer=outer)
            self._tables.append(element.table)
        elif in_table and name == "tr":
            self._tables[-1].end_row()
            self._pieces.append(self._tables[-1].row)
        elif name in CELLS:
            if in_table:
                self._pieces.append(TableMark(self._tables[-1], "cell", *spans(source)))
                self._tables[-1].has_head |= name == "th"
            self._exempt += name == "th"
            self._cells.append(element)
            element.outer, self._names = self._names, {}

    def _border(self, name: str) -> None:
        """Mark the border of a block."""
        if self._level and name in IN_HEADINGS:
            self._pieces.append(" ")
            return
        self._end_heading()
        if self._code:
            self._break_line()
        else:
            self._pieces.append(Border.BLOCK)

    def _end(self, name: str) -> None:
        if name in HEADINGS:
            self._end_heading()
        elif name in BLOCKS:
            self._border(name)
        if name in TABLES and not self._leave_cells(name):
            return
        if not self._names.get(name) or (name not in STRUCTURE and self._overlaps(name)):
            return
        while self._open:
            last = self._open[-1].name == name
            self._pop(own=last)
            if last:
                return

    def _overlaps(self, name: str) -> bool:
        """Whether a block was opened in an element of a line that ends."""
        for element in reversed(self._open[-_OVERLAP:]):
            if element.name == name:
                return False
            if element.name in STRUCTURE:
                return True
        return True

    def _leave_cells(self, name: str) -> bool:
        """End the cells that the end of a part of a table ends; False where that is all."""
        while not self._names.get(name):
            if self._names.get("table") or not self._cells:
                return False
            cell = self._cells[-1]
            while self._open[-1] is not cell:
                self._pop(own=False)
            self._pop(own=True)
            if name in CELLS:
                return False
        return True

    def _pop(self, *, own: bool) -> None:
        """End the innermost element; ``own``: by its end tag, or by what ends it as well."""
        element = self._open.pop()
        name = element.name
        if name in ("dt", "th"):
            self._exempt -= 1
            if self._characters == element.characters:
                self._pieces += self._aside
                self._characters += sum(map(len, self._aside))
            self._aside = ()
        if element.outer is not None:
            self._names = element.outer
            self._cells.pop()
            if self._tables and element.part in (Part.TEXT, Part.CENTRE):
                self._tables[-1].end_cell(self._characters - element.characters)
        self._names[name] -= 1
        if element.code:
            self._end_code(element)
        elif self._code and name in LINES:
            self._end_line(element.start)
        if name in ("article", "main"):
            self._articles -= 1
        elif name in ("ul", "ol"):
            self._lists.pop()
            if not self._code:
                self._pieces.append(Border.END_OF_LIST)
        elif name == "dl":
            self._pieces.append(Border.END_OF_LIST)
        elif name == "a":
            self._end_link(element)
        elif element.table is not None:
            self._tables.pop().decide()
            self._pieces.append(element.table.end)
        if element.part is not Part.TEXT and (own or name in IMPLIED):
            self._leave_out(element)

    def _end_link(self, element: _Element) -> None:
        self._link_from = None
        if self._to_note and self._characters - element.characters <= _OVERLAP:
            text = "".join(one for one in self._pieces[element.start :] if isinstance(one, str))
            if _NOTE.fullmatch(text):
                del self._pieces[element.start :]

    def _leave_out(self, element: _Element) -> None:
        """Take the content of an element out of the page, or note that it may have to be."""
        start = element.start
        if element.part in (Part.HIDDEN, Part.AROUND):
            left_out = self._pieces[start:]
            del self._pieces[start:]
            if element.part is Part.AROUND and element.name in AROUND_NAMES:
                self._set_aside(left_out)
            self._gap = not self._code
            self._prose, self._characters = element.prose, element.characters
            while self._maybe and self._maybe[-1].start >= start:
                self._maybe.pop()
        else:
            prose = self._prose - element.prose
            self._maybe.append(Extent(start, len(self._pieces), prose, element.part))

    def _set_aside(self, pieces: list[Piece]) -> None:
        """Keep the heading of a button; in a name, keep text that may be all of it."""
        headings = [one for one in pieces if isinstance(one, Heading)]
        if len(headings) == 1:
            self._pieces += headings
        elif not self._aside and (self._level or self._exempt):
            text = [one for one in pieces if isinstance(one, str)]
            if any(map(str.isalnum, "".join(text))):
                self._aside = text

    def _end_heading(self) -> None:
        if self._level:
            text = _heading_text(self._pieces[self._heading :]) or _heading_text(self._aside)
            del self._pieces[self._heading :]
            self._pieces.append(Heading(self._level, text))
            self._level = 0
            self._aside = ()


def _heading_text(pieces: Sequence[Piece]) -> str:
    text = "".join(one if isinstance(one, str) else " " for one in pieces)
    return " ".join(text.split()).rstrip(_ANCHOR_SIGNS)
