"""Finds what may not be trained on: pairs that are near to a held-out pair."""

import re
from collections.abc import Iterable

from rapidfuzz.distance import Indel
from rapidfuzz.process import extractOne

from models.evaluation.rouge import NEAR
from models.evaluation.words import words
from models.seeds.pairs import Pair

_SPACE = re.compile(r"\s+")


class LeakCheck:
    """Compares pairs with held-out ones, each with the turns before it.

    A response counts where it is the same. An instruction counts where it is near, but not where
    both are in the middle of conversations: "And the second one?" is asked in many.
    """

    def __init__(self, held_out: Iterable[Pair]) -> None:
        self._responses: set[str] = set()
        self._openings: list[list[str]] = []
        self._asked: list[list[str]] = []
        for pair in held_out:
            asked, answered = zip(*pair.exchanges, strict=True)
            self._responses.update(map(folded, answered))
            self._openings.append(words(asked[0]))
            self._asked += map(words, asked)

    def leaks(self, pair: Pair) -> bool:
        """Return whether a pair is near to a held-out one."""
        asked, answered = zip(*pair.exchanges, strict=True)
        if not self._responses.isdisjoint(map(folded, answered)):
            return True
        return _is_near(asked[0], self._asked) or any(
            _is_near(one, self._openings) for one in asked[1:]
        )


def _is_near(asked: str, others: list[list[str]]) -> bool:
    # Indel's similarity of two lists is their ROUGE-L F1. With a cutoff most pairs are decided by
    # their lengths.
    found = extractOne(words(asked), others, scorer=Indel.normalized_similarity, score_cutoff=NEAR)
    return found is not None


def folded(text: str) -> str:
    """A text without differences of case and white space."""
    return _SPACE.sub(" ", text).strip().lower()
