"""The stage harness: what happens to every message, whatever the agent.

A message ends in one of three ways: with its outputs (records, rejections, retractions), with a
dead letter, or with nothing, because its id was processed before. The broker acknowledges what is
written before the message's offset may be committed. ``faults.py`` says which errors lead to a dead
letter, and which to waiting.

    wait for room ─▶ accept ─▶ track the offset ─▶ decode ─▶ agent ─▶ encode ─▶ send
                                                     finish the offset ◀─ acknowledged ◀┘
"""

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from streams.kafka.messages import Partition, Received
from streams.kafka.writing.encoder import Encoder
from streams.kafka.writing.writer import Writer
from streams.stages import metrics as names
from streams.stages.agent.outputs import encode_all
from streams.stages.agent.protocol import Processing
from streams.stages.harness.attempts import Attempts
from streams.stages.harness.deleted_unread import DeletedUnread
from streams.stages.harness.delivery import Delivery
from streams.stages.harness.in_flight import InFlight, InFlightMessages
from streams.stages.harness.offsets import OffsetTrackers
from streams.stages.harness.policy import StagePolicy
from streams.stages.metrics import Metrics

log = logging.getLogger(__name__)
_DELETED = "deleted"
"""Outcome of a run of messages that nothing was read of."""


class Stage:
    """One agent on one topic. All of it runs on one event loop."""

    def __init__(
        self,
        name: str,
        processing: Processing,
        writer: Writer,
        on_fatal: Callable[[BaseException], None],
        policy: StagePolicy | None = None,
        metrics: Metrics | None = None,
        suspects: asyncio.Lock | None = None,
    ) -> None:
        """``on_fatal`` gets an error after which the process must end.

        Records that failed for an unclear reason are tried again one at a time, so that one of them
        cannot fail another; stages that share an engine share ``suspects``.
        """
        self.name = name
        self.offsets = OffsetTrackers()
        """What may be committed."""
        policy, metrics = policy or StagePolicy(), metrics or Metrics()
        self._writer = writer
        self._on_fatal = on_fatal
        self._policy = policy
        self._messages = InFlightMessages(policy.in_flight)
        self._attempts = Attempts(
            name,
            processing,
            policy,
            self._messages,
            metrics,
            on_fatal,
            suspects or asyncio.Lock(),
        )
        self._delivery = Delivery(name, writer, metrics, self._spawn, self._finish)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._outcomes = {
            outcome: metrics.counter(names.RECORDS, stage=name, outcome=outcome)
            for outcome in ("processed", "duplicate", "dead")
        }
        metrics.gauge(names.IN_FLIGHT, stage=name).set_function(lambda: self.in_flight)
        self._seconds = metrics.histogram(names.SECONDS, stage=name)

    @property
    def in_flight(self) -> int:
        """Messages accepted and not yet finished."""
        return len(self._messages)

    @property
    def has_room(self) -> bool:
        """Whether another message may be accepted now."""
        return self._messages.has_room

    @property
    def unavailable(self) -> str | None:
        """Why the stage waits for its surroundings (broker, disk), or None where it does not."""
        return self._messages.unavailable or self._writer.unavailable

    async def wait_for_room(self) -> None:
        """Wait until another message may be accepted: back-pressure."""
        await self._messages.wait_for_room()

    async def accept(self, received: Received) -> None:
        """Process one message. Messages of a partition come in offset order.

        The caller first waits for room, then checks that the partition is still assigned, and does
        not yield to the event loop in between: a message that waited here could otherwise be
        tracked under a later assignment of its partition.
        """
        if self._closed:
            return
        tracker = self.offsets[received.topic, received.partition]
        tracked = tracker.start(received.offset)
        if tracked is None:
            return
        outside = self._attempts.takes_outside(received)
        in_task = outside or self._policy.concurrent
        message = InFlight(received, tracker, tracked, time.monotonic(), outside, in_task)
        self._messages.add(message)
        if in_task:
            self._spawn(message, self._process(message))
        else:
            await self._process(message)

    def note_deleted(self, deleted: DeletedUnread) -> None:
        """Write down what retention deleted before this stage had processed it.

        No later offset of the partition may be committed until that is acknowledged. Called as
        ``accept`` is.
        """
        if self._closed:
            return
        tracker = self.offsets[deleted.topic, deleted.partition]
        last = Received(deleted.topic, deleted.partition, deleted.end - 1, None, None)
        tracked = tracker.start(last.offset)
        if tracked is None:
            return
        log.error("%s: %s", self.name, deleted)
        message = InFlight(last, tracker, tracked, time.monotonic(), in_task=True)
        message.outcome = _DELETED
        self._messages.add(message)
        outputs = encode_all([deleted.rejection()], Encoder())
        self._spawn(message, self._delivery.deliver(message, outputs))

    def revoke(self, partitions: set[Partition]) -> None:
        """Drop offsets and agents of partitions that are no longer assigned."""
        self.offsets.revoke(partitions)
        self._attempts.forget_agents({partition for _, partition in partitions})

    async def drain(self, seconds: float) -> bool:
        """Accept nothing more and wait for what is in flight. False where that took too long.

        What waits for its surroundings is not waited for: it is read again at the next start.
        """
        self._close()
        return await self.wait_idle(seconds)

    async def wait_idle(self, seconds: float) -> bool:
        """Wait for what is in flight. False where that took longer than ``seconds``.

        What waits for its surroundings is not waited for.
        """
        try:
            await asyncio.wait_for(self._messages.wait_idle(), seconds)
        except TimeoutError:
            return False
        return True

    async def cancel(self) -> None:
        """Abandon what is in flight. It is not committed, so it is read again at the next start."""
        self._close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for message in self._messages:
            self._drop(message)

    def _close(self) -> None:
        self._closed = True
        self._attempts.close()

    async def _process(self, message: InFlight) -> None:
        try:
            outputs = await self._attempts.outputs_of(message)
            if outputs is None:
                self._drop(message)
            else:
                await self._delivery.deliver(message, outputs)
        except Exception as error:  # no error may stop the partition
            self._delivery.bury(message, error)
        except BaseException:  # cancelled
            self._drop(message)
            raise

    def _finish(self, message: InFlight) -> None:
        """Let the offset of a message be committed."""
        if message.ended:
            return
        message.tracker.finish(message.tracked)
        if message.outcome == "processed":
            self._attempts.duplicates.note_processed(message)
        if message.outcome != _DELETED:
            self._outcomes[message.outcome].inc()
            self._seconds.observe(time.monotonic() - message.started)
        self._drop(message)

    def _drop(self, message: InFlight) -> None:
        """Give back the room of a message, finished or not."""
        if not message.ended:
            message.ended = True
            self._attempts.duplicates.note_ended(message)
            self._messages.remove(message)

    def _spawn(self, message: InFlight, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._note_task, message))

    def _note_task(self, message: InFlight, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if task.cancelled():
            self._drop(message)
        elif (error := task.exception()) is not None:
            self._drop(message)
            self._on_fatal(error)
