"""What a reader makes of a file, and why it cannot."""

from typing import NamedTuple

from schemas.errors import NotConverted


class Converted(NamedTuple):
    """A document as HTML."""

    blocks: list[str]
    """Whole elements, one after the other."""
    title: str | None = None
    """The title that the file gives itself."""
    warnings: tuple[str, ...] = ()
    """What could not be read."""


def not_installed(format: str, library: str) -> NotConverted:
    """The error where the library for a format is missing."""
    return NotConverted(f"{library}, which reads {format}, is not installed: pip install {library}")
