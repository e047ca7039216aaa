"""Tables of AsciiDoc."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence

_CELL = re.compile(r"(?<!\\)(?:(?:^|(?<=\s))(\d+(?:\.\d+)?[+*]|\.\d+\+)?[<^>.]{0,4}[adehlmsv]?)?\|")
_REPEATED = re.compile(r"(\d+)\*.*")
_MOST_COLUMNS = 100


def table_rows(
    lines: Sequence[str], attributes: Sequence[str], mark: str, plain: Callable[[str], str]
) -> list[list[str]]:
    """The rows of a table as text. ``mark``: ``|``, or the first sign of another delimiter."""
    if mark in ",:" or "format=csv" in attributes:
        rows = list(csv.reader(lines, delimiter=":" if mark == ":" else ","))
    else:
        if mark != "|":
            lines = [line.replace(mark, "|") for line in lines]
        cells = list(_cells(lines))
        count = _columns(lines, attributes, cells)
        rows = [cells[at : at + count] for at in range(0, len(cells), count)]
    return [[" ".join(plain(cell).replace("\v", " ").split()) for cell in row] for row in rows]


def _cells(lines: Sequence[str]) -> Iterator[str]:
    parts: list[str] | None = None
    copies = 1
    for line in lines:
        at = 0
        for match in _CELL.finditer(line):
            if parts is not None:
                parts.append(line[at : match.start()])
                yield from [_text(parts)] * copies
            parts, at = [], match.end()
            specification = match[1] or ""
            copies = (
                int(specification[:-1])
                if specification[:-1].isdigit() and specification.endswith("*")
                else 1
            )
            copies = min(copies, _MOST_COLUMNS)
        if parts is not None:
            parts.append(line[at:])
    if parts is not None:
        yield from [_text(parts)] * copies


def _text(parts: Sequence[str]) -> str:
    return "\n".join(parts).replace("\\|", "|").strip()


def _columns(lines: Sequence[str], attributes: Sequence[str], cells: Sequence[str]) -> int:
    """The number of columns: as the attributes say, or that of the cells in the first line."""
    for attribute in attributes:
        name, _, value = attribute.partition("=")
        if name.strip() != "cols":
            continue
        values = value.strip('"').split(",")
        count = sum(
            int(found[1]) if (found := _REPEATED.fullmatch(each.strip())) else 1 for each in values
        )
        return max(1, min(count, _MOST_COLUMNS))
    first = next((line for line in lines if line.strip()), "")
    return max(1, len(_CELL.findall(first)) if first else len(cells))
