"""Ids of which only the beginning is given, as git takes those of commits."""

from collections.abc import Callable, Collection, Iterable

FEWEST = 4
"""Characters of a beginning."""


def meant_by(given: Collection[str]) -> Callable[[str], bool]:
    """Whether an id is one of ``given``, or begins with one that has enough characters."""
    exact = frozenset(given)
    lengths = sorted({len(id) for id in exact if len(id) >= FEWEST})

    def is_meant(id: str) -> bool:
        return id in exact or any(id[:length] in exact for length in lengths)

    return is_meant


def whole_ids(given: Iterable[str], known: Collection[str]) -> dict[str, list[str]]:
    """The known ids that each of ``given`` may mean: itself alone where it is known, or else all
    that begin with it, none where it is too short.
    """
    exact = frozenset(known)
    return {
        id: [id]
        if id in exact
        else sorted(one for one in exact if len(id) >= FEWEST and one.startswith(id))
        for id in given
    }
