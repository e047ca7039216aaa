"""What people decided about pairs, as the curator remembers it."""

from collections.abc import Set
from dataclasses import dataclass

from agents.curation.kept import rank_of
from schemas.records import Rating, Ruling


@dataclass(frozen=True, slots=True)
class Ruled:
    """The newest decision about a pair, without its texts."""

    ruling: Ruling
    rating: Rating
    """The newest known rating of the pair, which counts when the decision is undone."""
    passage: bytes | None
    """See ``passage_of``: of the pair before it was edited."""


class Rulings:
    """The newest decision of each pair that was decided about. None is ever forgotten."""

    def __init__(self) -> None:
        self._ruled: dict[str, Ruled] = {}
        self._accepted: dict[bytes, set[str]] = {}
        """Ids of the pairs that people keep, for each passage of which one was decided about."""

    def known(self, id: str) -> Ruled | None:
        """The newest decision about a pair, also one that was undone."""
        return self._ruled.get(id)

    def counting(self, id: str) -> Ruled | None:
        """The decision that counts for a pair; None where there is none, or it was undone."""
        ruled = self._ruled.get(id)
        return None if ruled is None or ruled.ruling.action == "undo" else ruled

    def accepted(self, passage: bytes | None) -> Set[str]:
        """Ids of the pairs of a passage that people keep."""
        return self._accepted.get(passage, set()) if passage is not None else set()

    def concern(self, passage: bytes) -> bool:
        """Whether one of the pairs of a passage was decided about."""
        return passage in self._accepted

    def note(self, id: str, ruling: Ruling, rating: Rating, passage: bytes | None) -> Ruled:
        """Store a decision. It replaces an earlier one; the newest rating is kept."""
        before = self._ruled.get(id)
        if before is not None and rank_of(before.rating) > rank_of(rating):
            rating = before.rating
        ruled = self._ruled[id] = Ruled(ruling, rating, passage)
        if passage is not None:
            accepted = self._accepted.setdefault(passage, set())
            (accepted.add if ruling.keeps else accepted.discard)(id)
        return ruled

    def rate(self, id: str, rating: Rating) -> bool:
        """Store a newer rating of a pair that was decided about.

        Returns False, and does nothing, where it is not newer, or nothing was decided.
        """
        ruled = self._ruled.get(id)
        if ruled is None or rank_of(rating) <= rank_of(ruled.rating):
            return False
        self._ruled[id] = Ruled(ruled.ruling, rating, ruled.passage)
        return True
