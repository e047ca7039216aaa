"""Scores that several pairs share, computed once: those of a passage without an instruction."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any

import numpy as np

Scores = np.ndarray[Any, np.dtype[np.float32]]

_KEPT = 1024
"""Scores that are kept, 4 bytes a token."""


class SharedScores:
    """Keeps the scores that were asked for last. Belongs to one event loop."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._scores: OrderedDict[Hashable, Scores] = OrderedDict()
        self._computing: dict[Hashable, asyncio.Future[None]] = {}

    def __len__(self) -> int:
        """Number of scores that are kept."""
        return len(self._scores)

    async def get(self, key: Hashable, compute: Callable[[], Awaitable[Sequence[float]]]) -> Scores:
        """The scores of a key, which is everything that they are computed from.

        Of callers that ask at once, one computes. Where it fails or is cancelled, another does.
        """
        while key not in self._scores:
            if (other := self._computing.get(key)) is not None:
                await asyncio.wait([other])
                continue
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._computing[key] = done
            try:
                self._scores[key] = np.asarray(await compute(), np.float32)
            finally:
                del self._computing[key]
                done.set_result(None)
            if len(self._scores) > self._kept:
                self._scores.popitem(last=False)
        self._scores.move_to_end(key)
        return self._scores[key]
