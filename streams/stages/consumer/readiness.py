"""Whether the consumer of a stage reaches its group, fetches, and commits what it reads."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aiokafka import TopicPartition
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from streams.kafka.reading.consumers import AsyncConsumer

log = logging.getLogger(__name__)
_RETRY_SECONDS = 1.0
_LONGEST_LOOK_SECONDS = 1.0
"""What counts at most between two looks. A process may have been suspended."""
_SILENT_SECONDS = 3.0
_SILENT_SHARE = 1 / 3
"""Of the session. The group's coordinator is away once it has answered no heartbeat for so long."""


class Readiness:
    """What the consumer noted last. Written by the consumer's threads, read by any thread."""

    def __init__(
        self,
        session_seconds: float,
        stalled_seconds: float,
        in_flight: Callable[[], int],
        explain: Callable[[BaseException], str] = repr,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``stalled_seconds`` is how long records may wait while none is committed or fetched.

        ``in_flight`` returns how many are being processed, to any thread. ``explain`` puts an
        error of the group's coordination into words.
        """
        self._silent_seconds = max(_SILENT_SECONDS, _SILENT_SHARE * session_seconds)
        self._stalled_seconds = stalled_seconds
        self._clock = clock
        self._answered = clock()
        self._in_flight = in_flight
        self._explain = explain
        self.refusal: str | None = None
        """Why the coordinator does not let the consumer into its group, or None."""
        self.since_fetched: Callable[[], Mapping[TopicPartition, float | None]] = dict
        """See AsyncConsumer."""
        self.unread: Callable[[], Mapping[TopicPartition, int]] = dict
        """See StageConsumer."""
        self._unread: Mapping[TopicPartition, tuple[int, float]] = {}
        """What ``unread`` returned last, and for how many seconds of an idle stage."""
        self._looked = clock()
        self._assigned = clock()
        self._committing = False
        self._waiting_since: float | None = None

    def answered(self) -> None:
        """Note that the coordinator answered a heartbeat."""
        self._answered = self._clock()
        self.refusal = None

    def refused(self, error: BaseException) -> None:
        """Note that the group cannot be joined, or not be used, and log it where it is news."""
        self._answered = self._clock()
        reason = self._explain(error)
        if reason != self.refusal:
            log.warning("%s; trying again", reason)
        self.refusal = reason

    def accepted(self) -> None:
        """Note that a record is taken in."""
        if self._waiting_since is None or not self._works:
            self._waiting_since = self._clock()

    def look(self) -> None:
        """Note for how long messages are left unread. To be called every second, or more often."""
        now = self._clock()
        passed, self._looked = min(now - self._looked, _LONGEST_LOOK_SECONDS), now
        if self._works:  # on other partitions, perhaps: those of this one wait for room
            return
        if self._broker_is_away:  # it has to answer first, and what is fetched then to be taken
            self._unread = {}
            return
        before = self._unread
        self._unread = {
            place: (offset, seconds + passed if known == offset else 0.0)
            for place, offset in self.unread().items()
            for known, seconds in [before.get(place, (None, 0.0))]
        }

    @contextlib.contextmanager
    def committing(self) -> Iterator[None]:
        """Note that a commit is under way while the block runs."""
        self._committing = True
        try:
            yield
        finally:
            self._committing = False

    def committed(self, waiting: bool) -> None:
        """Note a commit. ``waiting`` is whether there are records that it does not cover."""
        self._waiting_since = self._clock() if waiting else None

    def forgotten(self) -> None:
        """Note that partitions were revoked or assigned.

        A record that is being processed is waited for still: the one that hangs outlives them.
        """
        if not self._works:
            self._waiting_since = None
        self._unread = {}
        self._answered = self._assigned = self._clock()

    @property
    def is_silent(self) -> bool:
        """Whether no broker answers."""
        return self._clock() - self._answered > self._silent_seconds

    @property
    def not_ready(self) -> str | None:
        """Why the consumer is not ready, or None."""
        if self.refusal is not None:
            return self.refusal
        now = self._clock()
        silent = now - self._answered
        if self.is_silent:
            return f"Kafka has not answered its consumer group for {silent:.0f} s"
        since = self._waiting_since
        if since is not None and now - since > self._stalled_seconds and self._works:
            return f"records are being processed, and none was committed for {now - since:.0f} s"
        return self._not_fetched or self.left_unread

    @property
    def _not_fetched(self) -> str | None:
        """Which partition no broker answers for, though the coordinator answers."""
        assigned = self._clock() - self._assigned
        for (topic, partition), seconds in self.since_fetched().items():
            waited = assigned if seconds is None else min(seconds, assigned)
            if waited > self._stalled_seconds:
                return (
                    f"nothing could be fetched of {topic}/{partition} for {waited:.0f} s: is the "
                    "broker that leads it away?"
                )
        return None

    @property
    def left_unread(self) -> str | None:
        """Which partition a stage does not read on, though it has nothing else to do.

        None while a broker is away.
        """
        if self._broker_is_away:
            return None
        for (topic, partition), (offset, seconds) in self._unread.items():
            if seconds > self._stalled_seconds:
                return (
                    f"{topic}/{partition} is not read on from offset {offset}, for {seconds:.0f} s"
                )
        return None

    @property
    def _broker_is_away(self) -> bool:
        return self.refusal is not None or self.is_silent or self._not_fetched is not None

    @property
    def _works(self) -> bool:
        """Whether a commit is to come: none follows a record that was finished before."""
        return self._in_flight() > 0 or self._committing


class HeartbeatThread(AIOKafkaConsumerThread):
    """faust's consumer thread; it notes the answers to its heartbeats, and refusals.

    aiokafka hands an error of the group's coordination to whoever calls ``getmany``, and does
    nothing until then. faust does not call that.
    """

    readiness: Readiness
    """Set before the start."""

    async def on_start(self) -> None:
        """See AIOKafkaConsumerThread."""
        await super().on_start()
        assert self._consumer is not None
        if isinstance(self._consumer, AsyncConsumer):
            self.readiness.since_fetched = self._consumer.since_fetched
        coordinator: Any = self._consumer._coordinator
        send = coordinator._do_heartbeat

        async def heartbeat() -> bool:
            answered: bool = await send()
            if answered:
                self.readiness.answered()
            return answered

        async def refused(error: BaseException) -> None:
            self.readiness.refused(error)
            coordinator.request_rejoin()  # it may have ended the task that sends heartbeats
            await asyncio.wait([coordinator._closing], timeout=_RETRY_SECONDS)

        coordinator._do_heartbeat = heartbeat
        coordinator._push_error_to_user = refused
