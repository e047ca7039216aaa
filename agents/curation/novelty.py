"""Nearest kept instruction by ROUGE-L, through an index with the results of a linear scan.

ROUGE-L F1 of ``m`` and ``n`` words is ``2 * L / (m + n)``, with ``L`` the length of their longest
common subsequence. Self-Instruct (arXiv 2212.10560) keeps an instruction whose ROUGE-L with every
kept one is below 0.7.

The index compares a query with few texts, by prefix filtering with a longer prefix (Wang, Li, Feng,
"Can we beat the prefix filtering?", SIGMOD 2012):

- The elements of a text are its words; the second "the" is another element than the first.
- A common subsequence is not longer than the number of common elements. So a kept text of ``n``
  words is near only if it has at least ``o`` of the query's ``m`` elements, where ``o`` is the
  smallest number for which ``2 * o / (m + n)`` reaches the threshold.
- Such a text lacks at most ``m - o`` elements of the query, so it has at least two of *any*
  ``m - o + 2`` of them. The index looks up the query's rarest ones.
- ``o`` grows with ``n``. So the commoner a word of the query, the fewer text lengths it is looked
  up for. Common words such as "what is the" are hardly looked up at all.

The remaining texts are compared with rapidfuzz, first as strings with one character for each word.
That is four times as fast. Where two words have the same character, the result is too high, never
too low.
"""

from bisect import bisect_left, insort
from collections.abc import Container, Iterable, Sequence
from functools import lru_cache
from sys import intern
from typing import NamedTuple

from rapidfuzz.distance.LCSseq import similarity as longest_common_subsequence

from models.evaluation.rouge import NEAR, rouge_l
from models.evaluation.words import words
from schemas.errors import SettingsError

# A posting is the integer ``length << _SHIFT | serial``, so a sorted list can be cut by length.
_SHIFT = 40
_CHARACTERS = 0x110000


class Near(NamedTuple):
    """The nearest kept text and its ROUGE-L F1 with the query, 0 to 1."""

    id: str
    rouge_l: float


class _IndexedText(NamedTuple):
    id: str
    words: tuple[str, ...]
    spelling: str


class NoveltyIndex:
    """Texts by id, with a search for the nearest one to a query. Not thread-safe."""

    def __init__(self, threshold: float = NEAR) -> None:
        """``threshold``: ROUGE-L F1 at which texts are near, in (0, 1]; else SettingsError."""
        if not 0 < threshold <= 1:
            raise SettingsError(
                f"the novelty threshold is {threshold}: it is a ROUGE-L F1, above 0 and at most 1"
            )
        self.threshold = threshold
        self._postings: dict[str, list[int]] = {}
        """Element → sorted postings of the texts that have it."""
        self._kept: dict[int, _IndexedText] = {}
        self._posting_of: dict[str, int] = {}
        self._serial = 0

    def __len__(self) -> int:
        """Number of texts."""
        return len(self._posting_of)

    def __contains__(self, id: str) -> bool:
        return id in self._posting_of

    def add(self, id: str, text: str) -> None:
        """Add a text. It replaces a text with the same id."""
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
        self._kept[posting] = _IndexedText(id, found, _spelling(found))
        self._posting_of[id] = posting

    def remove(self, id: str) -> None:
        """Remove a text; does nothing where there is none with this id."""
        posting = self._posting_of.pop(id, None)
        if posting is None:
            return
        for element in _elements(self._kept.pop(posting).words):
            postings = self._postings[element]
            del postings[bisect_left(postings, posting)]
            if not postings:
                del self._postings[element]

    def nearest(self, text: str, besides: Container[str] = ()) -> Near | None:
        """The text with the highest ROUGE-L F1, or None where that is below the threshold.

        Of several equally near texts, the one with the smallest id. Texts with an id in ``besides``
        are ignored, so that a text is not compared with itself.
        """
        query = words(text)
        spelling = _spelling(query)
        length = len(query)
        best: Near | None = None
        least = self.threshold
        for posting in self._candidates(query):
            id, found, other = self._kept[posting]
            # The expression of rouge_l inlined: a query spends most of its time in this line.
            if (
                2 * longest_common_subsequence(spelling, other) / (length + len(other)) < least
                or id in besides
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
        """Postings of all texts that can reach the threshold, and of some that cannot."""
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
    """A text with one character for each word.

    Within a process, equal words have equal characters; different words rarely do.
    """
    return "".join([chr(hash(word) % _CHARACTERS) for word in found])


class _Plan(NamedTuple):
    """The postings that a query of a given length looks at."""

    start: int
    """Lower bound of the postings: that of the shortest text that can be near."""
    ends: tuple[int, ...]
    """Upper bound for each element of the query, rarest first. Further elements are not looked up.
    """
    single_end: int
    """Below this bound, texts are so short that one common element is enough.

    At a threshold of 0.7 those are texts of one word for a query of one word.
    """


@lru_cache(maxsize=1024)
def _plan(m: int, threshold: float) -> _Plan:
    shortest = next(n for n in range(1, m + 1) if 2 * n / (m + n) >= threshold)
    ends = []
    for rank in range(m):
        # The element of this rank is among the m - o + 2 rarest if o <= m + 1 - rank. o <= m.
        longest = _longest(m, min(m, m + 1 - rank), threshold)
        if longest < shortest:
            break
        ends.append(longest + 1 << _SHIFT)
    return _Plan(shortest << _SHIFT, tuple(ends), _longest(m, 1, threshold) + 1 << _SHIFT)


def _longest(m: int, shared: int, threshold: float) -> int:
    """Most words of a text that can be near a query of ``m`` words with ``shared`` common elements.

    At least 0. It uses the same expression as the score, so that both round alike.
    """
    n = max(0, int(2 * shared / threshold) - m - 1)
    while 2 * shared / (m + n + 1) >= threshold:
        n += 1
    return n


def _elements(found: Iterable[str]) -> list[str]:
    """The words; repeats are numbered, as in "the 1", which no word can be."""
    elements = list(found)
    if len(set(elements)) == len(elements):
        return elements
    count: dict[str, int] = {}
    for index, word in enumerate(elements):
        repeat = count[word] = count.get(word, -1) + 1
        if repeat:
            elements[index] = f"{word} {repeat}"
    return elements
