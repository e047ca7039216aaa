"""The rows of a table as lines of text."""

from dataclasses import dataclass

_LONGEST_REPEATED = 100
"""Characters of a cell of several rows that is repeated in each of them."""
_MOST_COLUMNS = 20
"""Columns that a cell may span, and columns in which cells may span rows."""


@dataclass(frozen=True, slots=True)
class _Cell:
    parts: list[str]
    columns: int = 1
    rows: int = 1


class Rows:
    """The rows of a table that is being read."""

    def __init__(self) -> None:
        self.linked = 0
        """Characters in links."""
        self._rows: list[list[_Cell]] = []

    def begin_row(self) -> None:
        """Begin a row."""
        self._rows.append([])

    def begin_cell(self, columns: int, rows: int) -> None:
        """Begin a cell, which spans so many columns and rows."""
        if not self._rows:
            self.begin_row()
        self._rows[-1].append(_Cell([], min(columns, _MOST_COLUMNS), rows))

    def add(self, text: str, *, linked: bool) -> None:
        """Add text to the cell."""
        if not self._rows[-1]:
            if text.isspace():
                return
            self._rows[-1].append(_Cell([]))
        self._rows[-1][-1].parts.append(text)
        self.linked += len(text) if linked else 0

    def as_text(self) -> str:
        """A line for each row that has text, with bars between its cells.

        What spans rows stands in each, and what spans columns in the first, so that each cell is
        below its head. No more is repeated than the table has itself.
        """
        spare = sum(len(part) for row in self._rows for cell in row for part in cell.parts)
        above: dict[int, tuple[str, int]] = {}
        """By column: what spans it, and the rows that are left of that."""
        lines = []
        for row in self._rows:
            spanned = {column: text for column, (text, _) in above.items()}
            above = {column: (text, rows - 1) for column, (text, rows) in above.items() if rows > 1}
            cells: list[str] = []
            skipped = 0
            own = False
            for cell in row:
                cells += [""] * skipped
                spare -= _repeat(cells, spanned, spare)
                text = " ".join("".join(cell.parts).split())
                own |= bool(text)
                for column in range(len(cells), len(cells) + cell.columns):
                    if cell.rows > 1 and len(above) < _MOST_COLUMNS:
                        repeated = text if len(text) <= _LONGEST_REPEATED else ""
                        above[column] = (repeated if column == len(cells) else "", cell.rows - 1)
                cells.append(text)
                skipped = cell.columns - 1
            if own:
                if any(column > len(cells) - 1 + skipped for column in spanned):
                    cells += [""] * skipped
                    spare -= _repeat(cells, spanned, spare)
                lines.append(" | ".join(cells))
        return "\n".join(lines)


def _repeat(cells: list[str], spanned: dict[int, str], spare: int) -> int:
    """Add what spans the next columns from above; the number of characters that were repeated."""
    repeated = 0
    while len(cells) in spanned:
        text = spanned[len(cells)]
        if repeated + len(text) > spare:
            text = ""
        cells.append(text)
        repeated += len(text)
    return repeated
