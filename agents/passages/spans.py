"""How many columns and rows a cell of an HTML table spans."""

import re

from agents.passages.markup import attributes

_DIGITS = re.compile(r"\s*([0-9]{1,9})")
_MOST_ROWS = 65_534
"""Rows that a cell can span. Source: the HTML standard, 4.9.11."""


def spans(source: str) -> tuple[int, int]:
    """The columns and rows, from the attributes of the cell."""
    if "span" not in source.lower():
        return 1, 1
    found = attributes(source)
    columns, rows = (_number(found.get(name, "")) for name in ("colspan", "rowspan"))
    return columns or 1, _MOST_ROWS if rows == 0 else rows or 1


def _number(value: str) -> int | None:
    """The number of columns or rows; 0 for all that follow."""
    digits = _DIGITS.match(value)
    return min(int(digits[1]), _MOST_ROWS) if digits else None
