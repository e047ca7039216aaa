"""Ordered acknowledgement: which offset of a partition may be committed.

Pure: no clock, no Kafka. faust's own bookkeeping is not used, because it commits past records in
flight (faust-streaming issue 606) and acknowledges messages that a rebalance skipped.
``streams/stages/consumer/stage_consumer.py`` commits what a tracker allows.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from streams.kafka.messages import Partition


@dataclass(slots=True)
class TrackedOffset:
    """One record in flight."""

    offset: int
    done: bool = False


class OffsetTracker:
    """The records in flight of one partition, in offset order.

    It owns the partition's committable offset.
    """

    def __init__(self) -> None:
        self.committable: int | None = None
        """The offset to resume from: every earlier record is done. None until the first one is."""
        self.revoked = False
        """Whether the partition belongs to another consumer now."""
        self._in_flight: deque[TrackedOffset] = deque()
        self._last: int = -1

    def __len__(self) -> int:
        """Records started and not yet committable, finished ones behind a slower one included."""
        return len(self._in_flight)

    @property
    def next_offset(self) -> int | None:
        """The offset after the last record that was started, or None before the first one."""
        return self._last + 1 if self._last >= 0 else None

    def start(self, offset: int) -> TrackedOffset | None:
        """Track a record. None where the offset is not above the last one: it was read again."""
        if offset <= self._last:
            return None
        self._last = offset
        tracked = TrackedOffset(offset)
        self._in_flight.append(tracked)
        return tracked

    def finish(self, tracked: TrackedOffset) -> None:
        """Mark a record done. The committable offset advances over an unbroken run of done ones."""
        tracked.done = True
        in_flight = self._in_flight
        while in_flight and in_flight[0].done:
            self.committable = in_flight.popleft().offset + 1


class OffsetTrackers:
    """The trackers of the partitions that one consumer is assigned.

    Revoking a partition drops its tracker, so records still in flight no longer commit anything.
    """

    def __init__(self) -> None:
        self._trackers: dict[Partition, OffsetTracker] = {}

    def __getitem__(self, partition: Partition) -> OffsetTracker:
        tracker = self._trackers.get(partition)
        if tracker is None:
            tracker = self._trackers[partition] = OffsetTracker()
        return tracker

    def get(self, partition: Partition) -> OffsetTracker | None:
        """Return the tracker of a partition, or None where it was revoked or never used."""
        return self._trackers.get(partition)

    def __len__(self) -> int:
        """Records in flight in all partitions."""
        return sum(len(tracker) for tracker in self._trackers.values())

    def revoke(self, partitions: set[Partition]) -> None:
        """Drop the trackers of partitions that belong to another consumer now."""
        for partition in partitions:
            tracker = self._trackers.pop(partition, None)
            if tracker is not None:
                tracker.revoked = True

    def committable(self) -> dict[Partition, int]:
        """Map each partition that has a done record to the offset to resume from."""
        return {
            partition: tracker.committable
            for partition, tracker in self._trackers.items()
            if tracker.committable is not None
        }

    def exceed(self, committed: Mapping[Partition, int | None]) -> bool:
        """Whether there are records, in flight or done, that committed offsets do not cover."""
        return len(self) > 0 or any(
            offset > (committed.get(partition) or 0)
            for partition, offset in self.committable().items()
        )
