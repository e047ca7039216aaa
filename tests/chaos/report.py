"""``docs/reliability.md``, written from the stored results."""

from pathlib import Path


def write_report(work: Path, output: Path) -> None:
    """Write the report of every stored result."""
