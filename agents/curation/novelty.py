"""Which kept instruction a new one resembles: ROUGE-L through an index that gives what a linear
scan would.

ROUGE-L F1 of ``m`` and ``n`` words is ``2 * L / (m + n)``, with ``L`` the length of their longest
common subsequence. Self-Instruct (arXiv 2212.10560) keeps an instruction whose ROUGE-L against
every kept one is below 0.7.

How the index avoids comparing with everything. Take the words of a text as elements, the second
"the" apart from the first. A subsequence cannot be longer than the number of elements in common, so
a kept text of ``n`` words is near only if it shares at least ``o`` of the query's ``m`` elements,
with ``o`` the smallest number for which ``2 * o / (m + n)`` reaches the threshold. Then it misses
at most ``m - o``, so it has at least two of *any* ``m - o + 2``: the query takes its rarest. (The
idea is prefix filtering with a longer prefix: Wang, Li, Feng, "Can we beat the prefix filtering?",
SIGMOD 2012.) ``o`` grows with ``n``, so the commoner a word of the query, the fewer lengths it is
looked up for, and stock words such as "what is the" are hardly looked up at all. The few texts that
are left are compared with rapidfuzz, first as strings that spell each word with one character: four
times as fast, and if two words fall on one character, only too high.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from functools import lru_cache
from sys import intern
from typing import NamedTuple

from rapidfuzz.distance.LCSseq import similarity as longest_common_subsequence

from models.evaluation.rouge import NEAR, rouge_l, words
from schemas.errors import SettingsError

# A posting is the integer ``length << _SHIFT | serial``: a sorted list of them can be cut by
# length.
_SHIFT = 40
_CHARACTERS = 0x110000


class Near(NamedTuple):
    """The nearest kept text, and its ROUGE-L F1 with the query, 0 to 1."""

    id: str
    rouge_l: float


class _Kept(NamedTuple):
    id: str
    words: tuple[str, ...]
    spelling: str


class NoveltyIndex:
    """Texts by id, and the nearest of them to a query. It owns its postings; not safe to share
    between threads.
    """

    def __init__(self, threshold: float = NEAR) -> None:
        """``threshold`` in (0, 1] is the ROUGE-L F1 from which texts are near. Raises SettingsError
        for another.
        """
        if not 0 < threshold <= 1:
            raise SettingsError(
                f"the novelty threshold is {threshold}: it is a ROUGE-L F1, above 0 and at most 1"
            )
        self.threshold = threshold
        self._postings: dict[str, list[int]] = {}
        """Element to the sorted postings of the texts that have it."""
        self._kept: dict[int, _Kept] = {}
        self._posting_of: dict[str, int] = {}
        self._serial = 0

    def __len__(self) -> int:
        """Number of texts."""
        return len(self._posting_of)

    def __contains__(self, id: str) -> bool:
        return id in self._posting_of

    def add(self, id: str, text: str) -> None:
        """Take in a text. One that is there under the same id is replaced."""
        found = tuple(map(intern, words(text)))
        old = self._posting_of.get(id)
        if old is not None:
            if self._kept[old].words == found:
                return
            self.remove(id)
        self._serial += 1
        posting = len(found) << _SHIFT | self._serial
        for element in _elements(found):
            postings = self._postings.get(element)
            if postings is None:
                self._postings[element] = [posting]
            else:
                insort(postings, posting)
        self._kept[posting] = _Kept(id, found, _spelling(found))
        self._posting_of[id] = posting

    def remove(self, id: str) -> None:
        """Forget a text; nothing happens where there is none of this id."""
        posting = self._posting_of.pop(id, None)
        if posting is None:
            return
        for element in _elements(self._kept.pop(posting).words):
            postings = self._postings[element]
            del postings[bisect_left(postings, posting)]
            if not postings:
                del self._postings[element]

    def nearest(self, text: str, besides: str | None = None) -> Near | None:
        """The text with the highest ROUGE-L F1, if that reaches the threshold; of equals the one
        with the smallest id.

        The text of id ``besides`` is passed over, so that a text is not compared with itself.
        """
        query = words(text)
        spelling = _spelling(query)
        length = len(query)
        best: Near | None = None
        least = self.threshold
        for posting in self._candidates(query):
            id, found, other = self._kept[posting]
            # The expression of rouge_l, without its call: this line is where a query spends its
            # time.
            if (
                2 * longest_common_subsequence(spelling, other) / (length + len(other)) < least
                or id == besides
            ):
                continue
            near = Near(id, rouge_l(query, found))
            if near.rouge_l >= least and (
                best is None or (-near.rouge_l, near.id) < (-best.rouge_l, best.id)
            ):
                best = near
                least = near.rouge_l
        return best

    def _candidates(self, query: Sequence[str]) -> Iterable[int]:
        """Postings of every text that can reach the threshold, and of some that do not."""
        if not query:
            return ()
        plan = _plan(len(query), self.threshold)
        rarest = sorted((self._postings.get(element, ()) for element in _elements(query)), key=len)
        seen: set[int] = set()
        twice: set[int] = set()
        for postings, end in zip(rarest, plan.ends, strict=False):
            if postings:
                hits = postings[bisect_left(postings, plan.start) : bisect_left(postings, end)]
                if hits:
                    twice.update(seen.intersection(hits))
                    seen.update(hits)
        if plan.single_end > plan.start:
            twice.update(posting for posting in seen if posting < plan.single_end)
        return twice


def _spelling(found: Iterable[str]) -> str:
    """A text with one character for each word: the same for the same word within a process, seldom
    so for two words.
    """
    return "".join([chr(hash(word) % _CHARACTERS) for word in found])


class _Plan(NamedTuple):
    """Which postings a query of a given length looks at."""

    start: int
    """Lower bound of a posting: the shortest text that can be near."""
    ends: tuple[int, ...]
    """Upper bound for each element of the query, rarest first. Elements beyond the last are not
    looked up.
    """
    single_end: int
    """Texts below this bound are so short that one shared element is enough; at 0.7 that is one
    word against one.
    """


@lru_cache(maxsize=1024)
def _plan(m: int, threshold: float) -> _Plan:
    shortest = next(n for n in range(1, m + 1) if 2 * n / (m + n) >= threshold)
    ends = []
    for rank in range(m):
        # The element of this rank is among the m - o + 2 rarest where o <= m + 1 - rank; o is at
        # most m.
        longest = _longest(m, min(m, m + 1 - rank), threshold)
        if longest < shortest:
            break
        ends.append(longest + 1 << _SHIFT)
    return _Plan(shortest << _SHIFT, tuple(ends), _longest(m, 1, threshold) + 1 << _SHIFT)


def _longest(m: int, shared: int, threshold: float) -> int:
    """Most words of a text for which ``shared`` elements in common with a query of ``m`` can reach
    the threshold.

    At least 0. Decided by the very expression that scores, so that rounding cannot come between
    them.
    """
    n = max(0, int(2 * shared / threshold) - m - 1)
    while 2 * shared / (m + n + 1) >= threshold:
        n += 1
    return n


def _elements(found: Iterable[str]) -> list[str]:
    """The words, each repeat told apart from the one before by a number that no word can
    contain.
    """
    elements = list(found)
    if len(set(elements)) == len(elements):
        return elements
    count: dict[str, int] = {}
    for index, word in enumerate(elements):
        repeat = count[word] = count.get(word, -1) + 1
        if repeat:
            elements[index] = f"{word} {repeat}"
    return elements
