"""Markdown of tables and cells."""

from collections.abc import Iterable, Sequence

GENERATED = "<!-- Made by `python -m documentation.reference`. Do not edit. -->\n\n"


def cell(text: str) -> str:
    """A text on one line, with the sign that ends a cell escaped."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def code(text: str) -> str:
    """A text as code in a cell; nothing for an empty one."""
    return f"`{' '.join(text.split())}`".replace("|", "\\|") if text else ""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells are Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
