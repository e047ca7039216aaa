"""Sections of a page that was read: text and marks folded to blocks under headings."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from agents.passages.leaning import leads_on
from agents.passages.rows import Rows
from agents.passages.sections import Continued, Section, Trail

_EMPTY_LINES = re.compile(r"(?:[^\S\n]*\n)*")
_WIDE_SPACES = re.compile(r"(?<=\S) {2,}")
_SPACE_AFTER_LINE = re.compile(r"\n (?=\S)")
_LABELS = frozenset(
    ("see also", *"note tip warning caution important hint danger attention".split())
)
"""Labels of a note that stand in a block of their own."""
_NUMBERS = re.compile(r"\s*(?:\d{1,5}\s*\n\s*)+\d{1,5}\s*")
"""Numbers of lines beside code."""
LINKED = 0.5
"""Share of a block's characters in links at which the block is navigation."""
_LINKED_TABLE = 0.8
_LONGEST_LEAD = 100
"""Characters of a line that is left out with the list of links below it."""
_LONGEST_POINTER = 30
"""Characters before the link of a line such as "Source code: wave.py", which only has a link."""
_SEE_ALSO = re.compile(r"(?:see|siehe|voir|véase)\s(?:also|auch|aussi|también)\b", re.IGNORECASE)
_SEE_LINKED = 0.25
"""Share of links at which a paragraph that begins with "See also" only has links."""
_LONGEST_CELL = 600
"""Characters of a cell above which a table only lays out."""


class Linked(str):
    """Text of a link."""

    __slots__ = ()


class Code(str):
    """Text whose white space is kept."""

    __slots__ = ()


class Item(str):
    """The mark of an item, with its indentation."""

    __slots__ = ()


class Border(Enum):
    """Where a block, or a part of it, begins or ends."""

    BLOCK = "block"
    LINE = "line"
    """A break of the line; two of them end a paragraph."""
    LIST = "list"
    END_OF_LIST = "end of list"
    TERM = "term"
    DEFINITION = "definition"


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading, of level 1 (outermost) to 6."""

    level: int
    text: str


class Table:
    """A table. Its marks know it, because only its end tells whether it lays out blocks."""

    def __init__(self, *, lays_out: bool = False, outer: "Table | None" = None) -> None:
        self.lays_out = lays_out
        """Whether it is no table: its cells are blocks."""
        self.has_head = False
        """Whether it has a head cell, so that a table in one of its cells is only text of it."""
        self._outer = outer
        self._has_blocks = False
        self.row = TableMark(self, "row")
        self.end = TableMark(self, "end")
        self._filled = 0
        """Cells of the current row that have text."""
        self._rows = 0
        """Rows with more than one such cell."""

    @property
    def in_cell(self) -> bool:
        """Whether it stands in a cell of a table that does not lay out."""
        return self._outer is not None and not self._outer.lays_out

    def lay_out(self) -> None:
        """Note that there is a heading or code in it: it lays out, and so do those around it."""
        table: Table | None = self
        while table is not None and not table._has_blocks:
            table.lays_out = table._has_blocks = True
            table = table._outer

    def end_cell(self, characters: int) -> None:
        """Count a cell with this much text."""
        self._filled += characters > 0
        if characters > _LONGEST_CELL:
            self.lays_out = True

    def end_row(self) -> None:
        """Count the cells since the last call as a row."""
        self._rows += self._filled > 1
        self._filled = 0

    def decide(self) -> None:
        """End the table: with less than two rows of several cells, it only lays out."""
        self.end_row()
        self.lays_out |= self._rows < 2


@dataclass(frozen=True, slots=True, eq=False)
class TableMark:
    """The start of a row or of a cell, or the end of a table."""

    table: Table
    kind: str
    columns: int = 1
    """For a cell: the columns that it spans."""
    rows: int = 1
    """The rows."""


Piece = str | Border | Heading | TableMark
"""What a reader yields: text, or a mark."""


def fold(pieces: Iterable[Piece], title: str | None = None) -> Iterator[Section]:
    """The sections of a page, in order.

    A block of links is left out, with the line that leads into it. A row of a table is a line. The
    paragraphs of an item after its first one, those of a definition, and code continue what is
    above them.
    """
    return _Folder(title).sections(pieces)


_MOST_TERMS = 8
"""Definitions around a block whose terms are looked at."""
_LONGEST_TERM = 200
"""Characters of a term that is repeated where a passage begins within its definition."""


class _Folder:
    """The blocks of the current section, and the block that is being made."""

    def __init__(self, title: str | None) -> None:
        self._trail = Trail(title)
        self._blocks: list[str] = []
        self._parts: list[str] = []
        """Text of the current block."""
        self._linked = 0
        """Characters of it in links."""
        self._code = False
        """Whether there is code in it."""
        self._fresh = False
        """Whether it has no text yet but a mark or a term, which belong to what follows."""
        self._broken = False
        """Whether nothing follows its last line break yet."""
        self._terms: list[str] = []
        """The current term of each open list; empty where it has none."""
        self._in_term = False
        """Whether the current block has terms and no definition yet."""
        self._of_term = False
        """Whether the current block begins with a term."""
        self._inside = False
        """Whether the current block continues an item or a definition."""
        self._in_list = False
        """Whether the last block is of the current list, so that an item is one more line of it."""
        self._label = ""
        """The label of a note, with which the next block begins."""

    def sections(self, pieces: Iterable[Piece]) -> Iterator[Section]:
        rows: Rows | None = None
        for piece in pieces:
            if isinstance(piece, Heading):
                self._flush()
                if self._blocks:
                    yield Section(self._trail.headings, self._blocks)
                self._blocks = []
                self._trail.enter(piece.level, piece.text)
                self._inside = self._in_list = False
                self._label = ""
            elif isinstance(piece, TableMark):
                if rows is not None and piece.table.in_cell:
                    rows.add(" ", linked=False)
                elif piece.table.lays_out:
                    self._flush()
                elif piece.kind == "end":
                    self._add_rows(rows)
                    rows = None
                else:
                    rows = rows or Rows()
                    if piece.kind == "row":
                        rows.begin_row()
                    else:
                        rows.begin_cell(piece.columns, piece.rows)
            elif rows is not None:
                text = piece if isinstance(piece, str) else " "
                rows.add(text, linked=isinstance(piece, Linked))
            elif isinstance(piece, str):
                self._add(piece)
            else:
                self._border(piece)
        self._add_rows(rows)
        if self._blocks:
            yield Section(self._trail.headings, self._blocks)

    def _add(self, text: str) -> None:
        if isinstance(text, Item):
            if self._parts and isinstance(self._parts[0], Item):
                self._parts.append("\n")
            else:
                self._flush()
            self._fresh, self._inside = True, False
        elif text.isspace():
            if self._fresh and not isinstance(text, Code):
                return
        else:
            self._fresh = self._broken = False
            if isinstance(text, Linked):
                self._linked += len(text)
            elif isinstance(text, Code):
                self._code = True
        self._parts.append(text)

    def _border(self, border: Border) -> None:
        if border is not Border.TERM:
            self._in_term = False
        if border is Border.LINE:
            if self._broken:
                self._flush()
            elif self._parts:
                self._parts.append("\n")
                self._broken = not self._fresh
        elif border is Border.LIST:
            self._terms.append("")
        elif border is Border.END_OF_LIST:
            self._end_list()
        elif border is Border.TERM:
            if self._in_term and self._parts:
                self._parts.append("\n")
            else:
                self._flush()
            self._in_term, self._inside, self._in_list = True, False, False
            self._of_term = True
        elif border is Border.DEFINITION:
            if self._is_item() and not self._fresh:  # of a list in the definition before
                self._flush()
            if self._parts:
                if self._terms:
                    self._terms[-1] = " ".join("".join(self._parts).split())
                self._parts.append("\n")
                self._fresh = True
            else:
                self._inside = True
        elif not self._fresh and not (len(self._terms) > 1 and self._is_item()):
            self._flush()

    def _end_list(self) -> None:
        if len(self._terms) < 2 or not self._is_item():
            self._flush()
        if self._terms:
            self._terms.pop()
        if not self._terms:
            self._inside = self._in_list = False

    def _is_item(self) -> bool:
        return bool(self._parts) and isinstance(self._parts[0], Item)

    def _add_rows(self, rows: Rows | None) -> None:
        self._flush()
        if rows is None:
            return
        text = rows.as_text()
        if text and rows.linked < _LINKED_TABLE * len(text):
            self._blocks.append(text)
        self._in_list = False

    def _flush(self) -> None:
        """End the current block."""
        if not self._parts:
            return
        item, linked, code = self._is_item(), self._linked, self._code
        text = "".join(self._parts)
        self._parts, self._linked = [], 0
        self._code = self._fresh = self._broken = False
        if code:
            text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip()
            if above := _EMPTY_LINES.match(text):
                text = text[above.end() :]
            if text.strip() and not _NUMBERS.fullmatch(text):
                self._blocks.append(self._continued(text))
                self._in_list = False
            return
        text = _WIDE_SPACES.sub(" ", text).replace(" \n", "\n")
        text = _SPACE_AFTER_LINE.sub("\n", text)
        text = text.strip("\n").rstrip() if item else text.strip()
        if not text.strip(" -|.0123456789"):
            return
        if linked and is_linked(text, linked) and not text.endswith((":", "：")):
            if item:
                self._drop_label()
            self._label = ""
            return
        if text.strip(" :.!").casefold() in _LABELS:
            self._label = text.strip(" :.!")
            return
        if self._label:
            text, self._label = f"{self._label}: {text}", ""
        if item and self._in_list and self._blocks:
            self._blocks[-1] += f"\n{text}"
        else:
            inside = self._inside or self._of_term
            self._blocks.append(self._continued(text) if inside else text)
        self._in_list = item
        self._inside, self._of_term = bool(self._terms), False

    def _drop_label(self) -> None:
        """Leave out the line, or the item, that leads into links."""
        if not self._blocks:
            return
        above, _, last = self._blocks[-1].rpartition("\n")
        if self._in_list and above:
            if last.rstrip().endswith((":", "：")):
                self._blocks[-1] = above
        elif is_label(self._blocks[-1]):
            self._blocks.pop()

    def _continued(self, text: str) -> str:
        """A block that begins with the terms around it where a passage begins with it."""
        end = len(self._terms) - (0 if self._inside else 1)
        term = ""
        for name in reversed(self._terms[max(0, end - _MOST_TERMS) : max(0, end)]):
            if not name:
                continue
            if len(term) + len(name) > _LONGEST_TERM:
                break
            term = f"{name}\n{term}" if term else name
        if not term and not self._inside:
            return text
        block = Continued(text)
        block.term = term
        return block


def is_linked(text: str, linked: int) -> bool:
    """Whether a block is navigation: half of it is in links, or it only points to one.

    ``linked``: the number of its characters in links, which is not 0.
    """
    if linked >= LINKED * len(text):
        return True
    if linked >= _SEE_LINKED * len(text) and _SEE_ALSO.match(text):
        return True
    before = text[: len(text) - linked].rstrip()
    return len(before) <= _LONGEST_POINTER and before.endswith((":", "：")) and "\n" not in text


def is_label(block: str) -> bool:
    """Whether a block only introduces a list: with the list of links, it is left out."""
    return len(block) <= _LONGEST_LEAD and leads_on(block)
