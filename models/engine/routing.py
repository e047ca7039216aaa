"""Chooses the replica of a prompt: the one that holds its beginning, else the least loaded."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_BLOCK = 32
"""Tokens of one hash, as in vLLM's prefix cache."""
_MOST_BLOCKS = 4096
"""Blocks of earlier prompts that are kept for a replica; more than its KV slots hold."""


@dataclass(slots=True)
class _Load:
    """What a replica was given."""

    waiting: int = 0
    """Tokens to prefill of the requests that are not answered yet."""
    seen: OrderedDict[int, None] = field(default_factory=OrderedDict)
    """Hashes of the beginnings of its prompts, the latest last."""


class Router:
    """Tracks what each replica was given. Its methods may be called from any thread."""

    def __init__(self, replicas: int) -> None:
        self._loads = [_Load() for _ in range(replicas)]
        self._lock = threading.Lock()

    def take(self, prompt: Sequence[int], tokens: int) -> int:
        """The index of the replica for a prompt.

        The request's ``tokens`` to prefill count as waiting there until ``done``.

        A replica that has prefilled most of the prompt's beginning need not compute it again. But
        an idle replica is preferred to a busy one, so that a template that all prompts share does
        not keep them all in one replica.
        """
        blocks = list(_blocks(prompt))
        with self._lock:
            shared = [_known(load, blocks) for load in self._loads]
            best = [number for number, known in enumerate(shared) if known == max(shared)]
            idle = [number for number, load in enumerate(self._loads) if not load.waiting]
            fit = best if not idle else [number for number in best if number in idle] or idle
            chosen = min(fit, key=lambda number: self._loads[number].waiting)
            load = self._loads[chosen]
            load.waiting += tokens
            for block in blocks:
                load.seen[block] = None
                load.seen.move_to_end(block)
            while len(load.seen) > _MOST_BLOCKS:
                load.seen.popitem(last=False)
        return chosen

    def done(self, replica: int, tokens: int) -> None:
        """Note that a request's tokens no longer wait."""
        with self._lock:
            self._loads[replica].waiting -= tokens


def _blocks(prompt: Sequence[int]) -> Iterator[int]:
    """A hash of each prefix that is a whole number of blocks long, the shortest first."""
    before = 0
    for start in range(0, len(prompt) - _BLOCK + 1, _BLOCK):
        before = hash((before, tuple(prompt[start : start + _BLOCK])))
        yield before


def _known(load: _Load, blocks: Sequence[int]) -> int:
    """How many blocks from the first on a replica has seen."""
    return next(
        (number for number, block in enumerate(blocks) if block not in load.seen), len(blocks)
    )
