"""Ordered acknowledgement: which offset of a partition may be committed.

Pure: no clock, no Kafka. faust's own bookkeeping is not used, because it commits past records in
flight (faust-streaming issue 606, and messages skipped after a rebalance are acknowledged);
``streams/stages/faust_app.py`` commits what a gate says.
"""

from collections import deque
from dataclasses import dataclass


@dataclass(slots=True)
class Ticket:
    """One record in flight."""

    offset: int
    done: bool = False


class Gate:
    """The records in flight of one partition, in offset order. It owns the partition's committable
    offset.
    """

    def __init__(self) -> None:
        self.committable: int | None = None
        """The offset to resume from: every earlier one is answered for. None until the first record
        is done.
        """
        self._flying: deque[Ticket] = deque()
        self._last: int = -1

    def __len__(self) -> int:
        """Records entered and not yet passed, done ones behind a slower one included."""
        return len(self._flying)

    def enter(self, offset: int) -> Ticket | None:
        """Take a record in. None where this offset was taken in before: a re-read after a seek is
        already answered for.
        """
        if offset <= self._last:
            return None
        self._last = offset
        ticket = Ticket(offset)
        self._flying.append(ticket)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Mark a record answered for. The committable offset moves on once all before it are."""
        ticket.done = True
        flying = self._flying
        while flying and flying[0].done:
            self.committable = flying.popleft().offset + 1


class Gates:
    """The gates of the partitions that one consumer holds. Revoking drops a gate: what is still in
    flight commits nothing.
    """

    def __init__(self) -> None:
        self._gates: dict[tuple[str, int], Gate] = {}

    def __getitem__(self, partition: tuple[str, int]) -> Gate:
        gate = self._gates.get(partition)
        if gate is None:
            gate = self._gates[partition] = Gate()
        return gate

    def __len__(self) -> int:
        """Records in flight in all partitions."""
        return sum(len(gate) for gate in self._gates.values())

    def revoke(self, partitions: set[tuple[str, int]]) -> None:
        """Forget partitions that now belong to another worker."""
        for partition in partitions:
            self._gates.pop(partition, None)

    def committable(self) -> dict[tuple[str, int], int]:
        """Partition to the offset to resume from, where any record is done."""
        return {
            key: gate.committable
            for key, gate in self._gates.items()
            if gate.committable is not None
        }
