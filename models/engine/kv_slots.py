"""The allocator of KV slots: which sequence or prefix holds which slot.

Slots are numbered from 0. Sequences that decode hold the first ones without a gap, so that a
decode step is a leading view of the memory. One more sequence may be prefilling, in a slot behind
them. The last slots are the prefix cache. A rating that continues a cached prefix is prefilled in
that slot, because it never decodes.

The allocator has no access to the memory. It records the copies that its moves require; they must
be made, in order, before the next call of the model.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from models.engine.prefix_cache import PrefixCache
from models.engine.sequence import RunningSequence


class SlotCopy(NamedTuple):
    """Copy the first ``length`` tokens of a slot to another."""

    source: int
    target: int
    length: int


class KVSlots:
    """Allocates, moves and frees KV slots. Nothing else does."""

    def __init__(self, active: int, prefixes: int) -> None:
        """``active`` slots for sequences, and ``prefixes`` more for the prefix cache."""
        self.active = active
        self.total = active + prefixes
        self.reset()

    def reset(self) -> None:
        """Free every slot and empty the prefix cache, after a fault that may have spoiled both."""
        self.decoding: list[RunningSequence] = []
        """The sequence at index i has slot i."""
        self.prefilling: RunningSequence | None = None
        self._free = set(range(self.active))
        self._prefixes = PrefixCache(range(self.active, self.total))
        self._copies: list[SlotCopy] = []

    @property
    def running(self) -> list[RunningSequence]:
        """The sequences that decode, then the one that is prefilling."""
        return [*self.decoding, *([self.prefilling] if self.prefilling else [])]

    @property
    def can_allocate(self) -> bool:
        """Whether ``allocate`` may be called: a slot is free and no sequence is prefilling."""
        return self.prefilling is None and bool(self._free)

    def allocate(self, sequence: RunningSequence) -> None:
        """Give a sequence the slot for its prefill, and the longest cached prefix of its prompt."""
        match = self._prefixes.longest(
            np.array(sequence.request.prompt, np.int32),
            [(other.slot, other.cached) for other in self.decoding],
        )
        if match and not sequence.decodes and self._prefixes.lend(match):
            sequence.slot = match.slot
        else:
            sequence.slot = self._take_first_free()
            if match:
                self._copies.append(SlotCopy(match.slot, sequence.slot, match.length))
        sequence.length = sequence.reused = match.length if match else 0
        self.prefilling = sequence

    def start_decoding(self) -> None:
        """Move the sequence that was prefilling to the slot behind those that decode."""
        sequence, self.prefilling = self.prefilling, None
        assert sequence is not None, "no sequence is prefilling"
        self._free.add(sequence.slot)
        self._move(sequence, self._take_first_free())
        self.decoding.append(sequence)

    def finish(self, sequences: Iterable[RunningSequence]) -> None:
        """Free the slots of completed sequences, and cache what later prompts may begin with."""
        for sequence in sequences:
            reusable = sequence.reusable
            is_new = sequence.reused < len(reusable) // 2
            if sequence.slot < self.active and is_new:
                kept = self._prefixes.insert(reusable)
                if kept is not None:
                    self._copies.append(SlotCopy(sequence.slot, kept, len(reusable)))
            self.free(sequence)

    def free(self, sequence: RunningSequence) -> None:
        """Free a sequence's slot. If it decoded, the last one that decodes moves into the gap."""
        slot = sequence.slot
        if sequence is self.prefilling:
            self.prefilling = None
            if slot < self.active:
                self._free.add(slot)
            else:
                self._prefixes.take_back(slot, sequence.cached)
            return
        last = self.decoding.pop()
        self._free.add(last.slot)
        if last is not sequence:
            self.decoding[slot] = last
            self._move(last, slot)

    def take_copies(self) -> list[SlotCopy]:
        """The copies to make before the next call of the model, in order. Clears the record."""
        copies, self._copies = self._copies, []
        return copies

    def check_integrity(self) -> None:
        """Recount the slots. Raises AssertionError where the state contradicts itself."""
        used = [sequence.slot for sequence in self.running]
        cached = self._prefixes.slots
        if sorted([*self._free, *cached, *used]) != list(range(self.total)):
            raise AssertionError(
                f"KV slots do not add up to {self.total}: free {sorted(self._free)}, "
                f"prefixes {cached}, running {used}"
            )
        if not all(slot < self.active for slot in self._free):
            raise AssertionError(f"a slot of the prefix cache is free: {sorted(self._free)}")
        decoding = used[: len(self.decoding)]
        if decoding != list(range(len(decoding))):
            raise AssertionError(f"the slots that decode are not the first ones: {decoding}")
        for sequence in self.decoding:
            if not sequence.decodes or sequence.length != len(sequence.tokens) - 1:
                raise AssertionError(
                    f"slot {sequence.slot} decodes with {sequence.length} of "
                    f"{len(sequence.tokens)} tokens cached: all but the last should be"
                )
        prefilling = self.prefilling
        if prefilling and not prefilling.reused <= prefilling.length < prefilling.request.length:
            raise AssertionError(
                f"slot {prefilling.slot} is prefilling with {prefilling.length} tokens cached, "
                f"{prefilling.reused} reused, of a prompt of {prefilling.request.length}"
            )

    def _take_first_free(self) -> int:
        slot = min(self._free)
        self._free.remove(slot)
        return slot

    def _move(self, sequence: RunningSequence, slot: int) -> None:
        """Move a sequence to a slot. The caller accounts for both slots."""
        if slot != sequence.slot:
            self._copies.append(SlotCopy(sequence.slot, slot, sequence.length))
            sequence.slot = slot
