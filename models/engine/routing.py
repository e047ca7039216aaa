"""Which lane a prompt goes to: where its beginning is held, else where least waits. Pure but for a
lock.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_BLOCK = 32
"""Tokens that are told apart by one hash, as in vLLM's prefix cache."""
_REMEMBERED = 4096
"""Blocks of earlier prompts that are known of a lane; more than its rows hold."""


@dataclass(slots=True)
class _Lane:
    waiting: int = 0
    """Prompt tokens of what is not answered yet."""
    seen: OrderedDict[int, None] = field(default_factory=OrderedDict)
    """Hashes of the beginnings of its prompts, the latest last."""


class Router:
    """Knows what each lane was given. Its methods may be called from any thread."""

    def __init__(self, lanes: int) -> None:
        self._lanes = [_Lane() for _ in range(lanes)]
        self._lock = threading.Lock()

    def take(self, prompt: Sequence[int]) -> int:
        """The lane for a prompt, which from here on waits there until ``done``.

        A lane that has read most of its beginning saves reading it again; but one that has nothing
        to do takes it from one that is at work, so that a template which all prompts share does not
        keep them all in one lane.
        """
        blocks = list(_blocks(prompt))
        with self._lock:
            shared = [_known(lane, blocks) for lane in self._lanes]
            best = [number for number, known in enumerate(shared) if known == max(shared)]
            idle = [number for number, lane in enumerate(self._lanes) if not lane.waiting]
            fit = best if not idle else [number for number in best if number in idle] or idle
            chosen = min(fit, key=lambda number: self._lanes[number].waiting)
            lane = self._lanes[chosen]
            lane.waiting += len(prompt)
            for block in blocks:
                lane.seen[block] = None
                lane.seen.move_to_end(block)
            while len(lane.seen) > _REMEMBERED:
                lane.seen.popitem(last=False)
        return chosen

    def done(self, lane: int, prompt: Sequence[int]) -> None:
        """Say that a prompt does not wait any more."""
        with self._lock:
            self._lanes[lane].waiting -= len(prompt)


def _blocks(prompt: Sequence[int]) -> Iterator[int]:
    """A hash for each beginning of a prompt that is a whole number of blocks long, the shortest
    first.
    """
    before = 0
    for start in range(0, len(prompt) - _BLOCK + 1, _BLOCK):
        before = hash((before, tuple(prompt[start : start + _BLOCK])))
        yield before


def _known(lane: _Lane, blocks: Sequence[int]) -> int:
    return next(
        (number for number, block in enumerate(blocks) if block not in lane.seen), len(blocks)
    )
