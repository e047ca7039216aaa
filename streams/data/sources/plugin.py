"""What a source of another package is, as ``docs/extending.md`` tells.

It is a function: it gets the address or the path that the user named, and yields pages.
"""

from typing import NamedTuple


class Page(NamedTuple):
    """A document that a source has read."""

    source: str
    """Where it is from. With the text it makes the document's id."""
    text: str
    media_type: str = "text/plain"
    """``text/plain``, ``text/markdown`` or ``text/html``."""
    title: str | None = None
    context: str | None = None
    """Material that belongs to every passage of it."""
