"""Model cards: a part between two markers that is written by a command, and cells of its tables."""

from collections.abc import Iterable
from pathlib import Path

_END = "<!-- end -->"


def write_between(card: Path, begin: str, lines: Iterable[str]) -> None:
    """Replace the text of a card between the marker ``begin`` and the end marker by ``lines``."""
    before, _, rest = card.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(_END)[2]
    card.write_text("\n".join([before + begin, *lines, _END + after]), encoding="utf-8")


def cell(text: str, longest: int) -> str:
    """A text as a cell of a Markdown table: one line of at most ``longest`` characters."""
    flat = " ".join(text.split())
    flat = flat if len(flat) <= longest else flat[: longest - 1] + "…"
    return flat.replace("|", "\\|").replace("<", "&lt;")
