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


def not_included(directives: int) -> str:
    """The warning about a number of directives that name another file."""
    counted = "1 include directive" if directives == 1 else f"{directives:,} include directives"
    return f"{counted} not followed: name the included files as documents, to read them too"


def not_installed(format: str, library: str) -> NotConverted:
    """The error where the library for a format is missing."""
    return NotConverted(f"{library}, which reads {format}, is not installed: pip install {library}")
