"""HTML that readers of other formats make: blocks, each of them a string with whole elements."""

import html
from collections.abc import Iterable, Sequence


def element(name: str, content: str) -> str:
    """An element around HTML."""
    return f"<{name}>{content}</{name}>"


def text(plain: str) -> str:
    """Plain text as HTML."""
    return html.escape(plain, quote=False)


def heading(level: int, plain: str) -> str:
    """A heading of a level from 1; levels below 6 are 6."""
    return element(f"h{min(max(level, 1), 6)}", text(plain))


def paragraph(plain: str) -> str:
    """A paragraph of plain text."""
    return element("p", text(plain))


def code(plain: str) -> str:
    """Text whose white space is kept."""
    return element("pre", text(plain))


def items(plain: Iterable[str], numbered: bool = False) -> str:
    """A list of plain texts."""
    return element("ol" if numbered else "ul", "".join(element("li", text(each)) for each in plain))


def table(rows: Iterable[Sequence[str]]) -> str:
    """A table of plain texts."""
    return element(
        "table",
        "".join(element("tr", "".join(element("td", text(cell)) for cell in row)) for row in rows),
    )
