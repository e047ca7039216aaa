"""Nearest kept passage by the Jaccard similarity of shingles, with MinHash and banding.

A shingle is three words in a row; in scripts without spaces, three characters. The smallest value
of a random hash function over the shingles of a text is the same for two texts with a probability
that is their Jaccard similarity (Broder, "On the resemblance and containment of documents", 1997).
So the share of equal values among the 96 of two signatures estimates it, with a standard error of
0.05 at most. Texts are compared only where all six values of one of 16 bands are equal: 99% of
those with a similarity of 0.8, 87% with 0.7, 1% with 0.3.
"""

import re
from collections.abc import Container
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models.evaluation.words import SPACELESS
from schemas.errors import SettingsError

_BANDS = 16
_ROWS = 6
_SHINGLE = 3
_AT_ONCE = 4096
"""Shingles that are hashed at once, in 2 MB."""
_WORD = re.compile(rf"[{SPACELESS}]|[^\W{SPACELESS}]+")
"""A word, or a character of a script without spaces."""

Signature = NDArray[np.uint32]
"""The values of a text: shape (96,)."""


class NearPassage(NamedTuple):
    """The nearest kept passage and its estimated Jaccard similarity, 0 to 1."""

    id: str
    similarity: float


class PassageIndex:
    """Passages by id, with a search for the nearest one to a text. Not thread-safe."""

    def __init__(self, threshold: float) -> None:
        """``threshold``: similarity at which passages are near, in (0, 1]; else SettingsError."""
        if not 0 < threshold <= 1:
            raise SettingsError(
                f"the novelty threshold of passages is {threshold}: it is a Jaccard similarity, "
                "above 0 and at most 1"
            )
        self._threshold = threshold
        random = np.random.default_rng(1)
        size = (_BANDS * _ROWS, 1)
        self._factors = random.integers(0, 2**31, size, dtype=np.uint32) * np.uint32(2) + np.uint32(
            1
        )
        self._terms = random.integers(0, 2**32, size, dtype=np.uint32)
        self._bands: list[dict[int, tuple[str, ...]]] = [{} for _ in range(_BANDS)]
        """For each band, the ids of the passages with the same values in it, by their hash."""
        self._signatures: dict[str, Signature] = {}
        self._last: tuple[str | None, Signature] = None, np.zeros(0, dtype=np.uint32)
        """The last text and its signature: what is kept was looked up before."""

    def __len__(self) -> int:
        """Number of passages."""
        return len(self._signatures)

    def add(self, id: str, text: str) -> None:
        """Add a passage. It replaces one with the same id."""
        self.remove(id)
        signature = self.signature(text)
        self._signatures[id] = signature
        alone = (id,)
        for ids, key in zip(self._bands, _keys(signature), strict=True):
            others = ids.get(key)
            ids[key] = (*others, id) if others else alone

    def remove(self, id: str) -> None:
        """Remove a passage; does nothing where there is none with this id."""
        signature = self._signatures.pop(id, None)
        if signature is None:
            return
        for ids, key in zip(self._bands, _keys(signature), strict=True):
            others = tuple(other for other in ids[key] if other != id)
            if others:
                ids[key] = others
            else:
                del ids[key]

    def nearest(self, text: str, besides: Container[str] = ()) -> NearPassage | None:
        """The passage with the highest estimated similarity, or None below the threshold.

        Of several equally near ones, the one with the smallest id. Passages with an id in
        ``besides`` are ignored.
        """
        if not self._signatures:
            return None
        signature = self.signature(text)
        candidates: set[str] = set()
        for ids, key in zip(self._bands, _keys(signature), strict=True):
            candidates.update(ids.get(key, ()))
        near = [
            NearPassage(id, float((self._signatures[id] == signature).mean()))
            for id in candidates
            if id not in besides
        ]
        best = min(near, key=lambda one: (-one.similarity, one.id), default=None)
        return best if best and best.similarity >= self._threshold else None

    def signature(self, text: str) -> Signature:
        """The values of a text, the same in every process."""
        if text == self._last[0]:
            return self._last[1]
        shingles = _shingles(text)
        least = np.full(_BANDS * _ROWS, np.iinfo(np.uint32).max, dtype=np.uint32)
        for start in range(0, len(shingles), _AT_ONCE):
            hashed = self._factors * shingles[start : start + _AT_ONCE]
            hashed += self._terms
            np.minimum(least, hashed.min(axis=1), out=least)
        self._last = text, least
        return least


def _shingles(text: str) -> NDArray[np.uint32]:
    """Hashes of a text's shingles: one at least."""
    words = _WORD.findall(text.casefold()) or [""]
    words += [""] * (_SHINGLE - len(words))
    # Not hash(), which differs between processes: a curator that starts again decides as before.
    hashes = np.array([crc32(word.encode("utf-8", "surrogatepass")) for word in words], np.uint64)
    count = len(hashes) - _SHINGLE + 1
    shingles = np.zeros(count, dtype=np.uint64)
    for position in range(_SHINGLE):
        shingles = (shingles ^ hashes[position : position + count]) * np.uint64(0x9E3779B97F4A7C15)
        shingles ^= shingles >> np.uint64(29)
    return (shingles >> np.uint64(32)).astype(np.uint32)


def _keys(signature: Signature) -> list[int]:
    """A hash of each band of a signature."""
    data = signature.tobytes()
    step = _ROWS * signature.itemsize
    return [hash(data[start : start + step]) for start in range(0, len(data), step)]
