"""Which rows hold the beginning of a prompt already: another request's template and examples, or
the same passage.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]

_SHORTEST = 8
"""Tokens in common below which a copy is not worth its price."""


def common(one: Tokens, other: Tokens) -> int:
    """How many tokens two sequences have in common at their beginning."""
    length = min(len(one), len(other))
    if not length:
        return 0
    different = one[:length] != other[:length]
    first = int(different.argmax())
    return first if different[first] else length


class Prefixes:
    """Rows set aside for sequences that are done, the one to give up next standing first."""

    def __init__(self, rows: Iterable[int]) -> None:
        self._held: OrderedDict[int, Tokens] = OrderedDict(
            (row, np.empty(0, np.int32)) for row in rows
        )

    def longest(
        self, prompt: Tokens, running: Sequence[tuple[int, Tokens]] = ()
    ) -> tuple[int, int] | None:
        """The row, held or of ``running``, that shares most with a prompt, and how many tokens;
        None where too few.

        At least one token of the prompt is left to be read: its logits are wanted.
        """
        best, most = None, _SHORTEST - 1
        for row, tokens in (*self._held.items(), *running):
            shared = min(common(prompt, tokens), len(prompt) - 1)
            if shared > most:
                best, most = row, shared
        if best is None:
            return None
        if best in self._held:
            # A row that was continued to its end has served: a rating follows its generation once.
            # One of which only the beginning was wanted holds what many prompts share.
            self._held.move_to_end(best, last=most < len(self._held[best]) // 2)
        return best, most

    def lend(self, row: int, length: int) -> bool:
        """Give a row away for a sequence that goes on from ``length`` tokens of it; False where
        others may want more of it.
        """
        if row not in self._held or length < len(self._held[row]) // 2:
            return False
        del self._held[row]
        return True

    def give_back(self, row: int, tokens: Tokens) -> None:
        """Hold what a lent row holds now. It has served, and is the next to be given up."""
        self._held[row] = tokens
        self._held.move_to_end(row, last=False)

    def hold(self, tokens: Tokens) -> int | None:
        """The row to copy a sequence into, which it takes over; None where there are no rows, or
        one holds it already.
        """
        if not self._held or any(
            common(tokens, held) == len(tokens) for held in self._held.values()
        ):
            return None
        row, _ = self._held.popitem(last=False)
        self._held[row] = tokens
        return row

    def forget(self) -> None:
        """Hold nothing any more: the rows' memory is not to be trusted."""
        for row in self._held:
            self._held[row] = np.empty(0, np.int32)
