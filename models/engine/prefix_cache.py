"""Finds KV slots that already hold the beginning of a prompt.

That is another request's template and examples, or the same passage.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from models.engine.sequence import Tokens

_SHORTEST = 8
"""Shared tokens below which a copy costs more than it saves."""


class PrefixMatch(NamedTuple):
    """A slot, and how many tokens of a prompt it begins with."""

    slot: int
    length: int


def common(one: Tokens, other: Tokens) -> int:
    """Length of the longest common prefix of two sequences."""
    length = min(len(one), len(other))
    if not length:
        return 0
    different = one[:length] != other[:length]
    first = int(different.argmax())
    return first if different[first] else length


class PrefixCache:
    """The tokens that each prefix slot holds, ordered by eviction: the next to evict is first."""

    def __init__(self, slots: Iterable[int]) -> None:
        self._held: OrderedDict[int, Tokens] = OrderedDict(
            (slot, np.empty(0, np.int32)) for slot in slots
        )

    @property
    def slots(self) -> list[int]:
        """The slots in the cache; those that are lent are not."""
        return list(self._held)

    def longest(
        self, prompt: Tokens, running: Sequence[tuple[int, Tokens]] = ()
    ) -> PrefixMatch | None:
        """The slot, of the cache or of ``running``, that shares the longest prefix with a prompt.

        At least one token of the prompt is left to compute, because its logits are needed. None
        where the prefix is shorter than a copy is worth.
        """
        best, most = None, _SHORTEST - 1
        for slot, tokens in (*self._held.items(), *running):
            shared = min(common(prompt, tokens), len(prompt) - 1)
            if shared > most:
                best, most = slot, shared
        if best is None:
            return None
        if best in self._held:
            # A slot that was continued to its end is evicted next: a rating follows its generation
            # once. A slot of which only the beginning matched holds what many prompts share.
            self._held.move_to_end(best, last=most < len(self._held[best]) // 2)
        return PrefixMatch(best, most)

    def lend(self, match: PrefixMatch) -> bool:
        """Take a slot out of the cache, for a sequence that continues it in place.

        Returns False, and lends nothing, where the slot is not in the cache or less than half of
        it matched: other prompts may then need the rest.
        """
        if match.slot not in self._held or match.length < len(self._held[match.slot]) // 2:
            return False
        del self._held[match.slot]
        return True

    def take_back(self, slot: int, tokens: Tokens) -> None:
        """Return a lent slot, with the tokens it holds now, as the next to evict."""
        self._held[slot] = tokens
        self._held.move_to_end(slot, last=False)

    def insert(self, tokens: Tokens) -> int | None:
        """Evict a slot and assign it to ``tokens``. The caller copies the keys and values there.

        None where the cache has no slots, or one of them holds the tokens already.
        """
        if not self._held or any(
            common(tokens, held) == len(tokens) for held in self._held.values()
        ):
            return None
        slot, _ = self._held.popitem(last=False)
        self._held[slot] = tokens
        return slot
