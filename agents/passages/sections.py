"""A section, what every reader gives, and the trail of headings above it."""

from dataclasses import dataclass

_LONGEST_HEADING = 300
"""Characters of a heading that are kept: more than that is a paragraph in a heading's clothes."""


@dataclass(frozen=True, slots=True)
class Section:
    """The text between one heading and the next."""

    headings: tuple[str, ...]
    """The headings above the text, outermost first; empty before the first heading."""
    blocks: list[str]
    """Paragraphs, lists, tables and code blocks, in order; none is empty."""


class Trail:
    """The headings in force while a document is read from top to bottom."""

    def __init__(self, title: str | None = None) -> None:
        """``title`` is the document's: a heading that repeats it says nothing new and is left out
        of the trail.
        """
        self._title = title
        self._open: list[tuple[int, str]] = []

    def enter(self, level: int, heading: str) -> None:
        """Open a heading: it closes every heading of its level or deeper (1 is outermost)."""
        while self._open and self._open[-1][0] >= level:
            self._open.pop()
        self._open.append((level, heading[:_LONGEST_HEADING]))

    @property
    def headings(self) -> tuple[str, ...]:
        """The open headings, outermost first."""
        return tuple(heading for _, heading in self._open if heading != self._title or not heading)
