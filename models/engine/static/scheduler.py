"""Chooses the requests of the next batch. No thread, no clock, no model.

The oldest request of a kind is always in its next batch, so none starves. The requests nearest to
it in length join it, so that little of the batch is padding. Batches of ratings and scores, which
are only prefilled, alternate with batches of generations: a rating waits for at most one batch of
generations. A generation waits for the ratings and scores that arrived before the previous batch of
generations, and for at most one batch of later ones.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from models.engine.limits import EngineLimits
from models.engine.requests import RequestKind


class Waiting(Protocol):
    """A request, as far as the scheduler needs it."""

    @property
    def kind(self) -> RequestKind:
        """Requests of one kind share a batch."""

    @property
    def length(self) -> int:
        """Number of tokens to prefill."""


W = TypeVar("W", bound=Waiting)


@dataclass(frozen=True, slots=True)
class Batch(Generic[W]):
    """Requests of one kind that run together, shortest prompt first."""

    kind: RequestKind
    requests: tuple[W, ...]


class BatchScheduler(Generic[W]):
    """Holds the waiting requests."""

    def __init__(self, limits: EngineLimits) -> None:
        self._bounds = {
            RequestKind.PREFILL: (limits.rating_batch, limits.call_tokens),
            RequestKind.GENERATION: (limits.generation_slots, limits.generation_tokens),
        }
        self._waiting: dict[RequestKind, list[tuple[int, W]]] = {kind: [] for kind in RequestKind}
        """Serial number and request, oldest first."""
        self._serial = 0
        self._due_before = 0
        """Prefills with a lower serial number have waited for a batch of generations."""
        self._last: RequestKind | None = None

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._waiting.values())

    def add(self, requests: Sequence[W]) -> None:
        """Queue requests, oldest first."""
        for request in requests:
            self._waiting[request.kind].append((self._serial, request))
            self._serial += 1

    def drop(self, unwanted: Callable[[W], bool]) -> list[W]:
        """Remove the requests that are unwanted. Returns them."""
        dropped: list[W] = []
        for kind, waiting in self._waiting.items():
            dropped += [request for _, request in waiting if unwanted(request)]
            self._waiting[kind] = [entry for entry in waiting if not unwanted(entry[1])]
        return dropped

    def next_batch(self) -> Batch[W] | None:
        """Remove and return the next batch; None where no request waits."""
        kind = self._next_kind()
        if kind is None:
            return None
        waiting = self._waiting[kind]
        chosen = _nearest_in_length([request.length for _, request in waiting], *self._bounds[kind])
        batch = Batch(kind, tuple(waiting[index][1] for index in chosen))
        taken = set(chosen)
        self._waiting[kind] = [entry for index, entry in enumerate(waiting) if index not in taken]
        if kind is RequestKind.GENERATION:
            self._due_before = self._serial
        self._last = kind
        return batch

    def _next_kind(self) -> RequestKind | None:
        prefills, generations = (
            self._waiting[RequestKind.PREFILL],
            self._waiting[RequestKind.GENERATION],
        )
        if not prefills:
            return RequestKind.GENERATION if generations else None
        due = prefills[0][0] < self._due_before
        if due or not generations or self._last is not RequestKind.PREFILL:
            return RequestKind.PREFILL
        return RequestKind.GENERATION


def calls(lengths: Sequence[int], tokens: int) -> Iterator[slice]:
    """Divide prompts of ascending length into calls of at most ``tokens``, padding included.

    A longer prompt is a call of its own.
    """
    start = 0
    for end in range(1, len(lengths) + 1):
        if end == len(lengths) or (end + 1 - start) * lengths[end] > tokens:
            yield slice(start, end)
            start = end


def _nearest_in_length(lengths: Sequence[int], rows: int, tokens: int) -> list[int]:
    """Indices of the first request and of those nearest to it in length, by ascending length.

    As many as fit into ``rows`` and, padding included, ``tokens``.
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
