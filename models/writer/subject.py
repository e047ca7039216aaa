"""Finds what a pair is about, as a heading of its response would name it."""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from models.seeds.pairs import Pair

_WORD = re.compile(r"\w+(?:[.'/-]\w+)*")
_RARE = 250
"""A word in at most one of this many instructions may name a subject."""
_LONGEST = 6
"""Most words of a subject."""


class SubjectFinder:
    """Finds the rarest word that an instruction shares with its response, and the words with it.

    The word must be rare in ``instructions``. The words before and after it that both texts share
    are added; common ones at the ends are left out.
    """

    def __init__(self, instructions: Sequence[str]) -> None:
        self._most = len(instructions) / _RARE
        self._counts = Counter(
            word for text in instructions for word in {*_WORD.findall(text.lower())}
        )

    def find(self, pair: Pair) -> str:
        """The subject as the response spells it; empty where none is found."""
        asked, answered = (_WORD.findall(text) for text in (pair.instruction, pair.response))
        wanted, lower = ([word.lower() for word in words] for words in (asked, answered))
        named = [word for word in wanted if self._names(word) and word in lower]
        if not named:
            return ""
        # Ties go to the first: it is the same in every run.
        rarest = min(named, key=lambda word: self._counts[word])
        at, place = wanted.index(rarest), lower.index(rarest)
        before = _shared(reversed(wanted[:at]), reversed(lower[:place]))
        after = _shared(wanted[at:], lower[place:])
        start, end = place - before, place + after
        while not self._names(lower[start]):
            start += 1
        while not self._names(lower[end - 1]):
            end -= 1
        return " ".join(answered[start:end][:_LONGEST])

    def _names(self, word: str) -> bool:
        return len(word) > 2 and self._counts[word] <= self._most


def _shared(one: Iterable[str], other: Iterable[str]) -> int:
    """Length of the longest common beginning."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
