"""Which requests run next, and together. Pure: no threads, no clock, no model.

The oldest request of a kind is always in its next batch, so nothing starves; it is joined by those
nearest to it in length, so that little of the batch is padding. Ratings and generations take turns:
a rating never waits for more than one batch of generations, and a generation never waits for a
rating that came after the batch of generations before it, but for at most one batch of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from models.engine.limits import EngineLimits
from models.engine.requests import RequestKind


class Waiting(Protocol):
    """What the scheduler knows of a request."""

    @property
    def kind(self) -> RequestKind:
        """Which batches it may join."""

    @property
    def length(self) -> int:
        """Tokens of its prompt."""


W = TypeVar("W", bound=Waiting)


@dataclass(frozen=True, slots=True)
class Batch(Generic[W]):
    """Requests of one kind to run together, shortest prompt first."""

    kind: RequestKind
    requests: tuple[W, ...]


class BatchScheduler(Generic[W]):
    """Holds the waiting requests and chooses batches."""

    def __init__(self, limits: EngineLimits) -> None:
        self._bounds = {
            RequestKind.RATING: (limits.rating_batch, limits.call_tokens),
            RequestKind.GENERATION: (limits.generation_slots, limits.generation_tokens),
        }
        self._waiting: dict[RequestKind, list[tuple[int, W]]] = {
            kind: [] for kind in RequestKind
        }  # (serial number, request), oldest first
        self._serial = 0
        self._due_before = (
            0  # ratings with a lower serial number have waited for a batch of generations
        )
        self._last: RequestKind | None = None

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._waiting.values())

    def add(self, requests: Sequence[W]) -> None:
        """Take in requests, oldest first."""
        for request in requests:
            self._waiting[request.kind].append((self._serial, request))
            self._serial += 1

    def drop(self, unwanted: Callable[[W], bool]) -> list[W]:
        """Forget the waiting requests that are unwanted; returns them."""
        dropped: list[W] = []
        for kind, waiting in self._waiting.items():
            dropped += [request for _, request in waiting if unwanted(request)]
            self._waiting[kind] = [entry for entry in waiting if not unwanted(entry[1])]
        return dropped

    def next_batch(self) -> Batch[W] | None:
        """The batch to run now, no longer waiting; None where nothing waits."""
        kind = self._next_kind()
        if kind is None:
            return None
        waiting = self._waiting[kind]
        chosen = _neighbours([request.length for _, request in waiting], *self._bounds[kind])
        batch = Batch(kind, tuple(waiting[index][1] for index in chosen))
        taken = set(chosen)
        self._waiting[kind] = [entry for index, entry in enumerate(waiting) if index not in taken]
        if kind is RequestKind.GENERATION:
            self._due_before = self._serial
        self._last = kind
        return batch

    def _next_kind(self) -> RequestKind | None:
        ratings, generations = (
            self._waiting[RequestKind.RATING],
            self._waiting[RequestKind.GENERATION],
        )
        if not ratings:
            return RequestKind.GENERATION if generations else None
        due = ratings[0][0] < self._due_before
        if due or not generations or self._last is not RequestKind.RATING:
            return RequestKind.RATING
        return RequestKind.GENERATION


def calls(lengths: Sequence[int], tokens: int) -> Iterator[slice]:
    """Cut prompts of ascending length into runs of at most ``tokens``, padding included, or of one
    longer prompt.
    """
    start = 0
    for end in range(1, len(lengths) + 1):
        if end == len(lengths) or (end + 1 - start) * lengths[end] > tokens:
            yield slice(start, end)
            start = end


def _neighbours(lengths: Sequence[int], rows: int, tokens: int) -> list[int]:
    """Indices of the first request and of those nearest to it in length that fit, by ascending
    length.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    anchor = lengths[0]
    first = last = order.index(0)
    while last - first + 1 < rows:
        room = tokens // (last - first + 2)  # the longest prompt that one more row allows
        shorter = first > 0 and lengths[order[last]] <= room
        longer = last + 1 < len(order) and lengths[order[last + 1]] <= room
        if shorter and longer:
            shorter = anchor - lengths[order[first - 1]] <= lengths[order[last + 1]] - anchor
        if shorter:
            first -= 1
        elif longer:
            last += 1
        else:
            break
    return order[first : last + 1]
