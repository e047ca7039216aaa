"""The stage harness: what happens to every message, whatever the agent.

A message ends in one of three ways: with its outputs (records, rejections, retractions), with a
dead letter, or with nothing, because its id was processed before. The broker acknowledges what is
written before the message's offset may be committed. An error is retried a bounded number of times
first.

    wait for room ─▶ accept ─▶ track the offset ─▶ decode ─▶ agent ─▶ encode ─▶ send
                                                     finish the offset ◀─ acknowledged ◀┘
"""

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agents.outcomes import Outcome, Retraction
from schemas.errors import BrokerError, BrokerUnavailable, WireError
from schemas.records import Offset, Record, Rejection
from schemas.wire import Headers, header_map
from streams.kafka.dead_letters import dead_letter
from streams.kafka.messages import Message, Received
from streams.kafka.topics import topic_of
from streams.kafka.writer import Encoder, Writer, broker_error
from streams.stages import metrics as names
from streams.stages.metrics import Metrics
from streams.stages.offsets import OffsetTracker, OffsetTrackers, Partition, TrackedOffset

log = logging.getLogger(__name__)
_MAX_BACKOFF_SECONDS = 5.0


class Agent(Protocol):
    """What a stage runs. It does not depend on Kafka; ``at`` is only for provenance."""

    async def handle(self, record: Any, at: Offset | None = None) -> Sequence[Outcome]:
        """Return what follows from a record.

        May be called again with the same record. Raises only for errors, never to refuse.
        """


class StatefulAgent(Agent, Protocol):
    """An agent that remembers what its partition held.

    A new one is made for each assignment, and restored before the first ``handle``.
    """

    def restore(self, key: str, record: Any) -> None:
        """Take in one record of the topic that holds the state, in order; None is a tombstone."""

    def recall(self, record: Any) -> None:
        """Take in one of the last records of the source that were processed before, in order."""


@dataclass(frozen=True, slots=True)
class StagePolicy:
    """How a stage treats its messages.

    A hung call cannot cost the assignment: heartbeats are sent by a thread of their own, and a
    rebalance waits for a limited time only.
    """

    in_flight: int = 256
    """Most messages in flight; reading pauses beyond it."""
    concurrent: bool = False
    """Whether each message gets a task of its own, because the agent waits for a model."""
    attempts: int = 3
    backoff: float = 0.25
    """Seconds before the second attempt; doubled for each further one."""
    timeout: float = 90.0
    """Seconds that one attempt may take where ``concurrent``, waiting for the engine included."""
    remember: int = 0
    """How many processed ids are kept to recognise duplicates.

    With 0 none are, and an id that is in flight twice is processed twice.
    """


MessageDecoder = Callable[[bytes | None, Headers, bytes | None], Any]
AgentOf = Callable[[int], Awaitable[Agent]]


@dataclass(slots=True)
class _InFlight:
    """A message that is being processed."""

    received: Received
    tracker: OffsetTracker
    tracked: TrackedOffset
    started: float
    id: str = ""
    unacknowledged: int = 0
    """Messages written for it that the broker has not acknowledged."""
    outcome: str = "processed"
    ended: asyncio.Event | None = None
    """Set at the end, for other messages with the same id."""


class Stage:
    """One agent on one topic. All of it runs on one event loop."""

    def __init__(
        self,
        name: str,
        decode: MessageDecoder,
        agent_of: AgentOf,
        writer: Writer,
        on_fatal: Callable[[BaseException], None],
        policy: StagePolicy = StagePolicy(),
        metrics: Metrics | None = None,
    ) -> None:
        """``agent_of`` makes and restores the agent of a partition.

        ``on_fatal`` gets an error after which the process must end.
        """
        self.name = name
        self.offsets = OffsetTrackers()
        """What may be committed."""
        self.unavailable: str | None = None
        """Why the stage waits for its surroundings (broker, disk), or None where it does not."""
        self._decode = decode
        self._agent_of = agent_of
        self._writer = writer
        self._on_fatal = on_fatal
        self._policy = policy
        self._encode = Encoder()
        self._agents: dict[int, Agent] = {}
        self._seen: dict[str, None] = {}
        self._open: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._room = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._metrics = metrics = metrics or Metrics()
        self._outcomes = {
            outcome: metrics.counter(names.RECORDS, stage=name, outcome=outcome)
            for outcome in ("processed", "duplicate", "dead")
        }
        self._outputs: dict[str, Any] = {}
        metrics.gauge(names.IN_FLIGHT, stage=name).set_function(lambda: self._in_flight)
        self._seconds = metrics.histogram(names.SECONDS, stage=name)

    @property
    def in_flight(self) -> int:
        """Messages accepted and not yet finished."""
        return self._in_flight

    @property
    def has_room(self) -> bool:
        """Whether another message may be accepted now."""
        return self._in_flight < self._policy.in_flight

    async def wait_for_room(self) -> None:
        """Wait until another message may be accepted: back-pressure."""
        while not self.has_room:
            self._room.clear()
            await self._room.wait()

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
        self._in_flight += 1
        self._idle.clear()
        message = _InFlight(received, tracker, tracked, time.monotonic())
        if self._policy.concurrent:
            self._spawn(self._process(message))
        else:
            await self._process(message)

    def revoke(self, partitions: set[Partition]) -> None:
        """Drop offsets and agents of partitions that are no longer assigned."""
        self.offsets.revoke(partitions)
        for _, partition in partitions:
            self._agents.pop(partition, None)

    async def drain(self, seconds: float) -> bool:
        """Accept nothing more and wait for what is in flight. False where that took too long."""
        self._closed = True
        return await self.wait_idle(seconds)

    async def wait_idle(self, seconds: float) -> bool:
        """Wait for what is in flight. False where that took longer than ``seconds``."""
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def cancel(self) -> None:
        """Abandon what is in flight. It is not committed, so it is read again at the next start."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._idle.set()  # nothing is left to wait for

    async def _process(self, message: _InFlight) -> None:
        received = message.received
        agent = self._agents.get(received.partition) or await self._make_agent(message)
        if agent is None:
            self._release()
            return
        try:
            if received.undecodable is not None:
                raise WireError(received.undecodable)
            record = self._decode(received.value, header_map(received.headers), received.key)
            message.id = record.id
            if self._policy.remember and await self._is_duplicate(message):
                message.outcome = "duplicate"
                outputs: list[Message] = []
            else:
                outcomes = await self._attempt(agent, received, record)
                outputs = [self._output(outcome) for outcome in outcomes]
        except Exception as error:  # no fault of an agent or a record may stop the partition
            outputs = self._give_up(message, error)
        await self._deliver(message, outputs)

    async def _is_duplicate(self, message: _InFlight) -> bool:
        """Whether the id was processed before. Waits while another message with it is in flight.

        A passage often comes several times at once, from pages that quote each other.
        """
        while (other := self._open.get(message.id)) is not None:
            await other.wait()
        if message.id in self._seen:
            return True
        if self._policy.concurrent:
            message.ended = self._open[message.id] = asyncio.Event()
        return False

    def _give_up(self, message: _InFlight, error: Exception) -> list[Message]:
        received = message.received
        log.warning(
            "%s: %s/%d@%d becomes a dead letter: %s",
            self.name,
            received.topic,
            received.partition,
            received.offset,
            error,
        )
        message.outcome = "dead"
        return [dead_letter(received, self.name, error)]

    async def _make_agent(self, message: _InFlight) -> Agent | None:
        """Make and restore the agent of a partition, and retry until that works.

        No error here is the fault of the message, so none makes it a dead letter. None where the
        partition was revoked or the stage closed meanwhile: the message is then read again.
        """
        partition, delay = message.received.partition, self._policy.backoff
        while not self._closed and self._is_assigned(message):
            try:
                agent = await self._agent_of(partition)
            except Exception as error:
                self.unavailable = f"the agent of partition {partition} cannot be restored: {error}"
                log.warning("%s: %s; trying again in %.1f s", self.name, self.unavailable, delay)
                await asyncio.sleep(delay)
                delay = min(max(2 * delay, 0.1), _MAX_BACKOFF_SECONDS)
                continue
            self.unavailable = None
            if self._is_assigned(message):
                self._agents[partition] = agent
                return agent
        self.unavailable = None
        return None

    def _is_assigned(self, message: _InFlight) -> bool:
        """Whether the message's partition still is in the assignment that it was read in."""
        partition = (message.received.topic, message.received.partition)
        return self.offsets.get(partition) is message.tracker

    async def _attempt(self, agent: Agent, received: Received, record: Record) -> Sequence[Outcome]:
        policy = self._policy
        at = Offset(topic=received.topic, partition=received.partition, offset=received.offset)
        for attempt in range(1, policy.attempts + 1):
            try:
                if not policy.concurrent:
                    return await agent.handle(record, at)
                async with asyncio.timeout(policy.timeout):
                    return await agent.handle(record, at)
            except WireError:  # the record itself is at fault: a retry changes nothing
                raise
            except Exception as error:
                if attempt == policy.attempts:
                    raise
                self._metrics.counter(names.RETRIES, stage=self.name).inc()
                log.info(
                    "%s: attempt %d of %d at %s failed: %s",
                    self.name,
                    attempt,
                    policy.attempts,
                    record.id,
                    error,
                )
                await asyncio.sleep(policy.backoff * 2 ** (attempt - 1))
        raise AssertionError("attempts is at least 1")

    def _output(self, outcome: Outcome) -> Message:
        if isinstance(outcome, Retraction):
            return Message(topic_of(outcome.record_type).name, outcome.id.encode(), None)
        if type(outcome) is Rejection:
            self._metrics.counter(names.REJECTIONS, stage=self.name, reason=outcome.reason).inc(
                outcome.count
            )
        return self._encode(outcome)

    async def _deliver(self, message: _InFlight, outputs: Sequence[Message]) -> None:
        if not outputs:
            self._finish(message)
            return
        message.unacknowledged = len(outputs)
        for output in outputs:
            try:
                future = await self._writer.send(output)
            except BrokerError as error:
                self._undelivered(message, output, error)
            except WireError as error:
                # The broker's limit is above the wire's, so only oversized headers come here; the
                # message's other outputs are still sent.
                letter = dead_letter(message.received._replace(headers=()), self.name, error)
                self._spawn(self._redeliver(message, letter))
            else:
                future.add_done_callback(functools.partial(self._delivered, message, output))

    def _delivered(
        self, message: _InFlight, output: Message, future: "asyncio.Future[Any]"
    ) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            self._undelivered(message, output, broker_error(output, error))
            return
        counter = self._outputs.get(output.topic)
        if counter is None:
            counter = self._metrics.counter(names.OUTPUTS, stage=self.name, topic=output.topic)
            self._outputs[output.topic] = counter
        counter.inc()
        message.unacknowledged -= 1
        if not message.unacknowledged:
            self._finish(message)

    def _undelivered(self, message: _InFlight, output: Message, error: BrokerError) -> None:
        if isinstance(error, BrokerUnavailable):
            self._spawn(self._redeliver(message, output))
        else:  # the producer is unusable (fenced, out of sequence): a new process must take over
            self._on_fatal(BrokerError(f"{self.name}: {error}"))

    async def _redeliver(self, message: _InFlight, output: Message) -> None:
        """Send until the broker acknowledges: the record is not at fault."""
        delay = self._policy.backoff
        while True:
            await asyncio.sleep(delay)
            try:
                future = await self._writer.send(output)
                await asyncio.wait([future])
            except BrokerUnavailable as error:
                log.warning("%s: %s; trying again", self.name, error)
                delay = min(2 * delay, _MAX_BACKOFF_SECONDS)
                continue
            self._delivered(message, output, future)
            return

    def _finish(self, message: _InFlight) -> None:
        message.tracker.finish(message.tracked)
        if self._policy.remember and message.outcome == "processed":
            self._remember(message.id)
        if message.ended is not None:
            del self._open[message.id]
            message.ended.set()
        self._outcomes[message.outcome].inc()
        self._seconds.observe(time.monotonic() - message.started)
        self._release()

    def _release(self) -> None:
        """Give back the room of one message, finished or not."""
        self._in_flight -= 1
        if not self._in_flight:
            self._idle.set()
        self._room.set()

    def _remember(self, id: str) -> None:
        self._seen[id] = None
        if len(self._seen) > self._policy.remember:
            del self._seen[next(iter(self._seen))]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_fatal(error)
