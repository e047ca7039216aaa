"""Which replica a prompt goes to: where its beginning is held, else where least waits. Pure but for a
lock.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_BLOCK = 32
"""Tokens that are told apart by one hash, as in vLLM's prefix cache."""
_REMEMBERED = 4096
"""Blocks of earlier prompts that are known of a replica; more than its rows hold."""


@dataclass(slots=True)
class _Replica:
    waiting: int = 0
    """Prompt tokens of what is not answered yet."""
    seen: OrderedDict[int, None] = field(default_factory=OrderedDict)
    """Hashes of the beginnings of its prompts, the latest last."""


class Router:
    """Knows what each replica was given. Its methods may be called from any thread."""

    def __init__(self, replicas: int) -> None:
        self._replicas = [_Replica() for _ in range(replicas)]
        self._lock = threading.Lock()

    def take(self, prompt: Sequence[int]) -> int:
        """The replica for a prompt, which from here on waits there until ``done``.

        A replica that has read most of its beginning saves reading it again; but one that has nothing
        to do takes it from one that is at work, so that a template which all prompts share does not
        keep them all in one replica.
        """
        blocks = list(_blocks(prompt))
        with self._lock:
            shared = [_known(replica, blocks) for replica in self._replicas]
            best = [number for number, known in enumerate(shared) if known == max(shared)]
            idle = [number for number, replica in enumerate(self._replicas) if not replica.waiting]
            fit = best if not idle else [number for number in best if number in idle] or idle
            chosen = min(fit, key=lambda number: self._replicas[number].waiting)
            replica = self._replicas[chosen]
            replica.waiting += len(prompt)
            for block in blocks:
                replica.seen[block] = None
                replica.seen.move_to_end(block)
            while len(replica.seen) > _REMEMBERED:
                replica.seen.popitem(last=False)
        return chosen

    def done(self, replica: int, prompt: Sequence[int]) -> None:
        """Say that a prompt does not wait any more."""
        with self._lock:
            self._replicas[replica].waiting -= len(prompt)


def _blocks(prompt: Sequence[int]) -> Iterator[int]:
    """A hash for each beginning of a prompt that is a whole number of blocks long, the shortest
    first.
    """
    before = 0
    for start in range(0, len(prompt) - _BLOCK + 1, _BLOCK):
        before = hash((before, tuple(prompt[start : start + _BLOCK])))
        yield before


def _known(replica: _Replica, blocks: Sequence[int]) -> int:
    return next(
        (number for number, block in enumerate(blocks) if block not in replica.seen), len(blocks)
    )
