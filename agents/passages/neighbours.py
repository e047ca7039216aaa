"""The headings around a passage: what else its document is about, nearest first."""

from collections.abc import Iterator, Sequence

_MOST = 5
"""Headings of a passage's neighbours that are kept."""
_REACH = 40
"""Passages before and after it that are looked at, so that a long document takes no longer."""
_LONGEST = 120
"""Characters of a heading that is kept."""


def neighbours(headings: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Of each passage of a document, the innermost headings of those around it.

    ``headings`` are those above each passage, outermost first. A heading that a passage has itself,
    at any level and in any case, is not among its neighbours'.
    """
    return [tuple(_around(headings, position)) for position in range(len(headings))]


def _around(headings: Sequence[Sequence[str]], position: int) -> Iterator[str]:
    seen = {name.casefold() for name in headings[position]}
    left = _MOST
    for distance in range(1, _REACH + 1):
        for other in (position - distance, position + distance):
            name = headings[other][-1] if 0 <= other < len(headings) and headings[other] else ""
            if 0 < len(name) <= _LONGEST and name.casefold() not in seen:
                seen.add(name.casefold())
                yield name
                left -= 1
                if not left:
                    return
