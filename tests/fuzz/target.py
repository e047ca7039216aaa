"""What a target is: a function that reads foreign bytes, and valid inputs to start from."""

from random import Random
from typing import Protocol

Parts = tuple[bytes | None, ...]
"""An input: the parts that the target takes, such as key, value and headers of a message."""

LARGEST = 150_000
"""Most bytes of an input."""


class Target(Protocol):
    """Makes inputs, and checks what happens with them."""

    share: int
    """Weight of the target among all."""

    def make(self, random: Random) -> Parts:
        """Make one input: a valid one, mutated."""

    def check(self, parts: Parts) -> None:
        """Read the input.

        Returns where it was read or refused as documented, and raises anything where not.
        """


def input_of(name: str, target: Target, seed: int, number: int) -> Parts:
    """The input of a number, at most ``LARGEST`` bytes long."""
    parts = target.make(Random(f"{seed}/{name}/{number}"))
    room = LARGEST
    cut: list[bytes | None] = []
    for part in parts:
        cut.append(None if part is None else part[:room])
        room -= len(part or b"")
        room = max(0, room)
    return tuple(cut)
