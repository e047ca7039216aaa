"""The stage harness: what happens to every message, whatever the agent.

A message has one of three ends, each acknowledged by the broker before the message is: its outputs
(records, rejections, retractions), or a dead letter, or nothing, where its id was answered for
already. An error is tried again a bounded number of times first. Only then does its gate let it
pass, and only what a gate has passed is ever committed.

    wait for a free place ─▶ accept ─▶ gate ─▶ decode ─▶ agent ─▶ encode ─▶ send ─▶ acknowledged ─▶ gate
"""

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiokafka.errors import KafkaError, KafkaTimeoutError

from agents.outcomes import Outcome, Retraction
from schemas.errors import BrokerError, WireError
from schemas.records import Offset, Record, Rejection
from schemas.wire import Headers, header_map
from streams.kafka.dead_letters import dead_letter
from streams.kafka.messages import Message, Received
from streams.kafka.topics import topic_of
from streams.kafka.writer import Encoder, Writer
from streams.stages import metrics as names
from streams.stages.metrics import Metrics
from streams.stages.offsets import Gate, Gates, Ticket

log = logging.getLogger(__name__)


class Agent(Protocol):
    """What a stage runs. It knows nothing of Kafka; ``at`` is only for provenance."""

    async def handle(self, record: Any, at: Offset | None = None) -> Sequence[Outcome]:
        """What follows from a record. May be called again with the same record; raises only for
        errors, never to refuse.
        """


class StatefulAgent(Agent, Protocol):
    """An agent that remembers what its partition has given. It is made anew for each assignment,
    and told before ``handle``.
    """

    def restore(self, key: str, record: Any) -> None:
        """One record of the topic that holds its state, in order; None is a tombstone."""

    def recall(self, record: Any) -> None:
        """One of the last records of its source that were answered for, in order."""


@dataclass(frozen=True, slots=True)
class StagePolicy:
    """How a stage treats its messages.

    A hung call cannot cost the assignment: the heartbeat has a thread of its own, and a rebalance
    waits only so long.
    """

    in_flight: int = 256
    """Messages taken in and not yet answered for; back-pressure beyond."""
    concurrent: bool = False
    """Whether the agent waits for something (a model): then each message has a task of its own."""
    attempts: int = 3
    backoff: float = 0.25
    """Seconds before the second attempt; doubled for each further one."""
    timeout: float = 90.0
    """Seconds that one attempt may take, waiting behind the others in flight included, where
    ``concurrent``.
    """
    remember: int = 0
    """How many ids, answered for by this process, are known as duplicates when they come again; 0:
    none, nor those in flight.
    """


Decode = Callable[[bytes | None, Headers, bytes | None], Any]
AgentOf = Callable[[int], Awaitable[Agent]]


@dataclass(slots=True)
class _Flight:
    """A message on its way through the stage."""

    received: Received
    gate: Gate
    ticket: Ticket
    started: float
    id: str = ""
    waiting: int = 0
    """Messages that the broker has not acknowledged."""
    outcome: str = "processed"
    ended: asyncio.Event | None = None
    """What others with the same id wait for."""


class Stage:
    """One agent on one topic. All of it runs on one event loop.

    ``agent_of`` gives the agent of a partition, restored; ``on_fatal`` is told of an error after
    which the process must end.
    """

    def __init__(
        self,
        name: str,
        decode: Decode,
        agent_of: AgentOf,
        writer: Writer,
        gates: Gates,
        on_fatal: Callable[[BaseException], None],
        policy: StagePolicy = StagePolicy(),
        measures: Metrics | None = None,
    ) -> None:
        self.name = name
        self._decode = decode
        self._agent_of = agent_of
        self._writer = writer
        self._gates = gates
        self._on_fatal = on_fatal
        self._policy = policy
        self._encode = Encoder()
        self._agents: dict[int, Agent] = {}
        self._places = asyncio.Semaphore(policy.in_flight)
        self._seen: dict[str, None] = {}
        self._open: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._flying = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._measures = measures = measures or Metrics()
        self._outcomes = {
            o: measures.counter(names.RECORDS, stage=name, outcome=o)
            for o in ("processed", "duplicate", "dead")
        }
        self._outputs: dict[str, Any] = {}
        self._in_flight = measures.gauge(names.IN_FLIGHT, stage=name)
        self._in_flight.set_function(lambda: self._flying)
        self._seconds = measures.histogram(names.SECONDS, stage=name)

    @property
    def in_flight(self) -> int:
        """Messages taken in and not yet answered for."""
        return self._flying

    async def ready(self) -> None:
        """Wait for a free place: back-pressure.

        To be awaited before a message is fetched: one that waited here after faust had checked that
        its partition is still ours could enter the gate of a later assignment.
        """
        await self._places.acquire()

    async def accept(self, received: Received) -> None:
        """Take one message in, on the place that ``ready`` gave. Messages of a partition come in
        offset order.
        """
        if self._closed:
            self._places.release()
            return
        gate = self._gates[received.topic, received.partition]
        ticket = gate.enter(received.offset)
        if ticket is None:
            self._places.release()
            return
        self._flying += 1
        self._idle.clear()
        flight = _Flight(received, gate, ticket, time.monotonic())
        if self._policy.concurrent:
            self._spawn(self._process(flight))
        else:
            await self._process(flight)

    def revoke(self, partitions: set[int]) -> None:
        """Forget the agents of partitions that are gone; their state is restored where they are
        assigned next.
        """
        for partition in partitions:
            self._agents.pop(partition, None)

    async def drain(self, seconds: float) -> bool:
        """Take nothing more in and wait for what is in flight. False where some of it was not done
        in time.
        """
        self._closed = True
        return await self.wait_idle(seconds)

    async def wait_idle(self, seconds: float) -> bool:
        """Wait for what is in flight. False where some of it was not done in so many seconds."""
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def cancel(self) -> None:
        """End what is still in flight. It was not acknowledged, so it comes again at the next
        start.
        """
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._idle.set()  # nothing is left to wait for

    async def _process(self, flight: _Flight) -> None:
        received = flight.received
        try:
            record = self._decode(received.value, header_map(received.headers), received.key)
            flight.id = record.id
            if await self._is_duplicate(flight):
                flight.outcome = "duplicate"
                messages: list[Message] = []
            else:
                messages = [
                    self._message(outcome) for outcome in await self._attempt(received, record)
                ]
        except (
            Exception
        ) as error:  # whatever an agent or a record can do wrong, the partition goes on
            messages = self._give_up(flight, error)
        await self._deliver(flight, messages)

    async def _is_duplicate(self, flight: _Flight) -> bool:
        """Whether the id was answered for; while another flight is at it, wait for what comes of
        that.

        A passage often comes several times at once, from pages that quote each other.
        """
        while (other := self._open.get(flight.id)) is not None:
            await other.wait()
        if flight.id in self._seen:
            return True
        if self._policy.concurrent and self._policy.remember:
            flight.ended = self._open[flight.id] = asyncio.Event()
        return False

    def _give_up(self, flight: _Flight, error: Exception) -> list[Message]:
        received = flight.received
        log.warning(
            "%s: %s/%d@%d is dead: %s",
            self.name,
            received.topic,
            received.partition,
            received.offset,
            error,
        )
        flight.outcome = "dead"
        return [dead_letter(received, self.name, error)]

    async def _attempt(self, received: Received, record: Record) -> Sequence[Outcome]:
        policy = self._policy
        agent = self._agents.get(received.partition)
        if agent is None:
            agent = self._agents[received.partition] = await self._agent_of(received.partition)
        at = Offset.model_construct(
            topic=received.topic, partition=received.partition, offset=received.offset
        )
        for attempt in range(1, policy.attempts + 1):
            try:
                if not policy.concurrent:
                    return await agent.handle(record, at)
                async with asyncio.timeout(policy.timeout):
                    return await agent.handle(record, at)
            except WireError:  # the record itself is at fault: trying again changes nothing
                raise
            except Exception as error:
                if attempt == policy.attempts:
                    raise
                self._measures.counter(names.RETRIES, stage=self.name).inc()
                log.info(
                    "%s: %s failed (%s), attempt %d of %d",
                    self.name,
                    record.id,
                    error,
                    attempt,
                    policy.attempts,
                )
                await asyncio.sleep(policy.backoff * 2 ** (attempt - 1))
        raise AssertionError("attempts is at least 1")

    def _message(self, outcome: Outcome) -> Message:
        if isinstance(outcome, Retraction):
            return Message(topic_of(outcome.record_type).name, outcome.id.encode(), None)
        if type(outcome) is Rejection:
            self._measures.counter(names.REJECTIONS, stage=self.name, reason=outcome.reason).inc(
                outcome.count
            )
        return self._encode(outcome)

    async def _deliver(self, flight: _Flight, messages: Sequence[Message]) -> None:
        if not messages:
            self._finish(flight)
            return
        flight.waiting = len(messages)
        for message in messages:
            try:
                future = await self._writer.send(message)
            except KafkaError as error:
                self._undelivered(flight, message, error)
            except WireError as error:
                # The broker's limit is above the wire's, so only odd headers come here; the rest of
                # the flight goes on.
                self._spawn(
                    self._redeliver(
                        flight, dead_letter(flight.received._replace(headers=()), self.name, error)
                    )
                )
            else:
                future.add_done_callback(functools.partial(self._delivered, flight, message))

    def _delivered(self, flight: _Flight, message: Message, future: "asyncio.Future[Any]") -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            self._undelivered(flight, message, error)
            return
        counter = self._outputs.get(message.topic)
        if counter is None:
            counter = self._outputs[message.topic] = self._measures.counter(
                names.OUTPUTS, stage=self.name, topic=message.topic
            )
        counter.inc()
        flight.waiting -= 1
        if not flight.waiting:
            self._finish(flight)

    def _undelivered(self, flight: _Flight, message: Message, error: BaseException) -> None:
        if isinstance(error, KafkaTimeoutError) or (
            isinstance(error, KafkaError) and error.retriable
        ):
            self._spawn(self._redeliver(flight, message))
        else:  # the producer is beyond repair (fenced, out of sequence): a new process takes up where this one was
            self._on_fatal(
                BrokerError(f"{self.name}: {message.topic} could not be written: {error!r}")
            )

    async def _redeliver(self, flight: _Flight, message: Message) -> None:
        """Send again until the broker has it: the record is not at fault, and nothing may be
        acknowledged before.
        """
        delay = self._policy.backoff
        while True:
            await asyncio.sleep(delay)
            try:
                future = await self._writer.send(message)
                await asyncio.wait([future])
            except KafkaError as error:
                log.warning("%s: cannot write to %s yet: %s", self.name, message.topic, error)
                delay = min(2 * delay, 5.0)
                continue
            self._delivered(flight, message, future)
            return

    def _finish(self, flight: _Flight) -> None:
        flight.gate.leave(flight.ticket)
        if self._policy.remember and flight.outcome == "processed":
            self._remember(flight.id)
        if flight.ended is not None:
            del self._open[flight.id]
            flight.ended.set()
        self._outcomes[flight.outcome].inc()
        self._seconds.observe(time.monotonic() - flight.started)
        self._flying -= 1
        if not self._flying:
            self._idle.set()
        self._places.release()

    def _remember(self, id: str) -> None:
        self._seen[id] = None
        if len(self._seen) > self._policy.remember:
            del self._seen[next(iter(self._seen))]

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._on_fatal(task.exception())  # type: ignore[arg-type]
