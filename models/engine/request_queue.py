"""The requests that wait, and the order in which they leave.

The lowest priority value first. Of the same priority, requests without a decode (ratings and
scores) go first, because the passage that they are about is still in the prefix cache then; of the
same kind, the oldest.
"""

import heapq
from collections.abc import Callable, Sequence

from models.engine.requests import AnyRequest, RequestKind

_MOST_PREFILLS_IN_A_ROW = 8
"""Ratings and scores that may leave one after the other while a generation of their priority waits.
"""


class RequestQueue:
    """Waiting requests, by kind."""

    def __init__(self) -> None:
        self._waiting: dict[RequestKind, list[tuple[int, int, AnyRequest]]] = {
            kind: [] for kind in RequestKind
        }
        """Heaps of priority, serial number and request."""
        self._serial = 0
        self._prefills_in_a_row = 0

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def has(self, kind: RequestKind) -> bool:
        """Whether a request of a kind waits."""
        return bool(self._waiting[kind])

    def push(self, requests: Sequence[AnyRequest]) -> None:
        """Add requests, oldest first."""
        for request in requests:
            heapq.heappush(self._waiting[request.kind], (request.priority, self._serial, request))
            self._serial += 1

    def remove(self, unwanted: Callable[[AnyRequest], bool]) -> list[AnyRequest]:
        """Remove the requests that are unwanted. Returns them."""
        removed: list[AnyRequest] = []
        for waiting in self._waiting.values():
            if found := {entry[2] for entry in waiting if unwanted(entry[2])}:
                removed += found
                waiting[:] = [entry for entry in waiting if entry[2] not in found]
                heapq.heapify(waiting)
        return removed

    def pop(self, *, generations: bool) -> AnyRequest | None:
        """Remove and return the next request. A generation only where ``generations`` is true."""
        prefills = self._waiting[RequestKind.PREFILL]
        waiting = self._waiting[RequestKind.GENERATION]
        may_generate = generations and bool(waiting)
        if prefills and not (may_generate and self._generation_is_due(prefills, waiting)):
            self._prefills_in_a_row += 1
            return heapq.heappop(prefills)[2]
        self._prefills_in_a_row = 0
        return heapq.heappop(waiting)[2] if may_generate else None

    def _generation_is_due(
        self,
        prefills: Sequence[tuple[int, int, AnyRequest]],
        generations: Sequence[tuple[int, int, AnyRequest]],
    ) -> bool:
        """Whether the next generation goes before the next rating or score."""
        return (
            generations[0][0] < prefills[0][0] or self._prefills_in_a_row >= _MOST_PREFILLS_IN_A_ROW
        )
