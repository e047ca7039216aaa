"""Tables of ``tbl``: formats of rows, then rows of cells; see tbl(1)."""

import re
from collections.abc import Callable, Sequence

_TAB = re.compile(r"tab\s*\((.)\)")
_RULES = ("_", "=")


def table_rows(lines: Sequence[str], plain: Callable[[str], str]) -> list[list[str]]:
    """The rows between ``.TS`` and ``.TE``, as text."""
    at, tab = 0, "\t"
    if lines and lines[0].rstrip().endswith(";"):
        if found := _TAB.search(lines[0]):
            tab = found[1]
        at = 1
    at = _end_of_format(lines, at)
    rows: list[list[str]] = []
    block: list[str] | None = None
    cells: list[str] = []
    while at < len(lines):
        line = lines[at]
        at += 1
        if block is not None:  # T{ … T}
            if not line.startswith("T}"):
                block.append(line)
                continue
            cells[-1] = " ".join(block)
            block = None
            cells += line[2:].lstrip(tab).split(tab) if line[2:].startswith(tab) else []
        elif line.startswith((".T&", "'T&")):
            at = _end_of_format(lines, at)
            continue
        elif line.startswith((".", "'")) or line.strip() in _RULES:
            continue
        else:
            cells = line.split(tab)
        if cells and cells[-1].strip() == "T{":
            block = []
            continue
        rows.append([" ".join(plain(_text(cell)).split()) for cell in cells])
        cells = []
    return [row for row in rows if any(row)]


def _end_of_format(lines: Sequence[str], at: int) -> int:
    while at < len(lines):
        at += 1
        if lines[at - 1].rstrip().endswith("."):
            break
    return at


def _text(cell: str) -> str:
    """A cell without the macros that are in it, and without the marks of rules and spans."""
    cell = re.sub(r"(?:^|(?<= ))[.'][A-Za-z]{1,3} ", "", cell)
    return "" if cell.strip() in ("_", "=", "\\_", "\\=", "\\^") else cell
