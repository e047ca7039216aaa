"""A section, which every reader yields, and the trail of headings above it."""

from dataclasses import dataclass

_LONGEST_HEADING = 300
"""Characters of a heading that are kept. A longer one is a paragraph marked up as a heading."""


class Continued(str):
    """A block that continues the one above it: code, or a later paragraph of an item."""

    term = ""
    """The term that it defines; empty where it defines none."""


def repaired(before: str, text: str) -> str:
    """A text that was made from ``before``: ``Continued`` where that is."""
    return Continued(text) if isinstance(before, Continued) else text


@dataclass(frozen=True, slots=True)
class Section:
    """The text between one heading and the next."""

    headings: tuple[str, ...]
    """The headings above the text, outermost first; empty before the first heading."""
    blocks: list[str]
    """Paragraphs, lists, tables and code blocks, in order; none is empty."""


class Trail:
    """The open headings while a document is read from top to bottom."""

    def __init__(self, title: str | None = None) -> None:
        """``title``: the document's title. A heading that repeats it is left out of the trail."""
        self._title = title
        self._open: list[tuple[int, str]] = []

    def enter(self, level: int, heading: str) -> None:
        """Open a heading and close all headings of its level or deeper (1 is outermost)."""
        while self._open and self._open[-1][0] >= level:
            self._open.pop()
        self._open.append((level, heading[:_LONGEST_HEADING]))

    @property
    def headings(self) -> tuple[str, ...]:
        """The open headings, outermost first."""
        return tuple(heading for _, heading in self._open if heading != self._title or not heading)
