"""The messages that a stage has accepted and not finished."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from streams.kafka.messages import Received
from streams.stages.harness.offsets import OffsetTracker, TrackedOffset

_MOST_BYTES = 64 * 1024 * 1024
"""Reading pauses while values of more bytes than this are in flight."""


@dataclass(eq=False, slots=True)
class InFlight:
    """A message that is being processed."""

    received: Received
    tracker: OffsetTracker
    tracked: TrackedOffset
    started: float
    outside: bool = False
    """Whether another process reads and handles it."""
    in_task: bool = False
    """Whether it has a task of its own."""
    id: str = ""
    unacknowledged: int = 0
    """Messages written for it that the broker has not acknowledged."""
    outcome: str = "processed"
    unavailable: str | None = None
    """Why it waits for its surroundings (broker, disk, engine), or None where it does not."""
    same_id: asyncio.Event | None = None
    """Set at the end, where other messages with its id wait for that."""
    ended: bool = False

    @property
    def place(self) -> str:
        """Topic, partition and offset, for log lines."""
        return self.received.place


class InFlightMessages:
    """Room for a number of messages. It is idle while all of them wait for something else."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._messages: dict[InFlight, None] = {}
        self._bytes = 0
        self._waiting = 0
        self._room = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[InFlight]:
        return iter(tuple(self._messages))

    @property
    def has_room(self) -> bool:
        """Whether another message may be accepted now."""
        return len(self._messages) < self._most and self._bytes < _MOST_BYTES

    @property
    def unavailable(self) -> str | None:
        """Why the first message that waits for its surroundings does so. None without one.

        May be read by any thread.
        """
        return next((it.unavailable for it in self if it.unavailable is not None), None)

    async def wait_for_room(self) -> None:
        """Wait until another message may be accepted: back-pressure."""
        while not self.has_room:
            self._room.clear()
            await self._room.wait()

    async def wait_idle(self) -> None:
        """Wait until each message is finished, or waits for something else."""
        await self._idle.wait()

    def add(self, message: InFlight) -> None:
        """Take in a message."""
        self._messages[message] = None
        self._bytes += len(message.received.value or b"")
        self._idle.clear()

    def remove(self, message: InFlight) -> None:
        """Give back the room of a message."""
        del self._messages[message]
        self._bytes -= len(message.received.value or b"")
        self._update_idle()
        self._room.set()

    @contextlib.contextmanager
    def not_waited_for(self) -> Iterator[None]:
        """Mark that one message waits for something else, such as its surroundings."""
        self._waiting += 1
        self._update_idle()
        try:
            yield
        finally:
            self._waiting -= 1
            self._update_idle()

    def _update_idle(self) -> None:
        if len(self._messages) > self._waiting:
            self._idle.clear()
        else:
            self._idle.set()
