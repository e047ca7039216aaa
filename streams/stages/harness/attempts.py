"""Attempts at a message: decode it, have the agent handle it, and decide what follows an error."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from agents.outcomes import Retraction
from models.progress import Report, at_intervals
from schemas.errors import StateUnavailable, WireError
from schemas.records import Offset
from schemas.wire import header_map
from streams.backoff import Backoff
from streams.kafka.messages import Received
from streams.kafka.writing.encoder import Encoder
from streams.stages import metrics as names
from streams.stages.agent.outputs import Output, encode_all
from streams.stages.agent.protocol import Agent, DependentAgent, Processing
from streams.stages.harness.duplicates import Duplicates
from streams.stages.harness.faults import Fault, fault_of
from streams.stages.harness.in_flight import InFlight, InFlightMessages
from streams.stages.harness.policy import StagePolicy
from streams.stages.harness.time_limit import TimeLimit
from streams.stages.metrics import Metrics

log = logging.getLogger(__name__)
_LONGEST_PAUSE = 5.0
_SECONDS_BETWEEN_LINES = 10.0
_QUICK_SECONDS = 1.0
"""A message is waited for although its agent is being made, for this long."""


class Attempts:
    """Makes the outputs of messages. It owns the agents, one for each partition."""

    def __init__(
        self,
        name: str,
        processing: Processing,
        policy: StagePolicy,
        in_flight: InFlightMessages,
        metrics: Metrics,
        on_fatal: Callable[[BaseException], None],
        suspects: asyncio.Lock,
    ) -> None:
        """See ``Stage``."""
        self.duplicates = Duplicates(policy.remember)
        self._name = name
        self._processing = processing
        self._policy = policy
        self._in_flight = in_flight
        self._metrics = metrics
        self._on_fatal = on_fatal
        self._suspects = suspects
        self._limit = TimeLimit(policy.timeout)
        self._encode = Encoder()
        self._agents: dict[int, Agent] = {}
        self._closed = False
        self._changed = asyncio.Event()
        self._say_again = at_intervals(log.warning, _SECONDS_BETWEEN_LINES)
        """Logs for messages that wait while others do already: there may be hundreds."""

    def takes_outside(self, received: Received) -> bool:
        """Whether another process handles the message."""
        outside = self._processing.outside
        return outside is not None and outside.takes(received)

    def forget_agents(self, partitions: set[int]) -> None:
        """Drop agents, and end waits of messages whose partition was revoked."""
        for partition in partitions:
            self._agents.pop(partition, None)
        self._end_waits()

    def close(self) -> None:
        """End every wait before another attempt."""
        self._closed = True
        self._end_waits()

    async def outputs_of(self, message: InFlight) -> list[Output] | None:
        """Attempt until there are outputs. Raises the error for which the record is to blame.

        None where the partition was revoked, or the stage closed before another attempt: the
        message is then read again.
        """
        failures = pauses = 0
        backoff = Backoff(self._policy.backoff, _LONGEST_PAUSE)
        while not message.tracker.revoked:
            try:
                outputs = await self._attempt(message, suspect=failures > 0)
            except Exception as error:
                fault, cause = await self._judge(message, error)
                if fault is Fault.RECORD:
                    raise
                if fault is Fault.UNCLEAR:
                    failures += 1
                    if failures >= self._policy.attempts:
                        raise
                    self._metrics.counter(names.RETRIES, stage=self._name).inc()
                    say: Report = log.warning
                else:
                    say = log.warning if self._in_flight.unavailable is None else self._say_again
                    message.unavailable = str(cause) or type(cause).__name__
            else:
                message.unavailable = None
                return outputs
            if self._closed:
                break
            pauses += 1
            delay = backoff.after(pauses)
            say(f"{self._name}: {message.place} is tried again in {delay:.1f} s: {cause}")
            if message.unavailable is None:
                await self._wait(message, delay)
            else:
                with self._in_flight.not_waited_for():
                    await self._wait(message, delay)
            if self._closed:
                break
        return None

    async def _attempt(self, message: InFlight, *, suspect: bool) -> list[Output]:
        """Decode and handle a message. Suspects are handled one at a time."""
        received = message.received
        if received.undecodable is not None:
            raise WireError(received.undecodable)
        if message.outside:
            assert self._processing.outside is not None
            async with self._suspects if suspect else contextlib.nullcontext():
                id, outputs = await self._processing.outside.process(received)
            if self.duplicates.are_found and await self.duplicates.check(message, id):
                return []
            return outputs
        agent = self._agents.get(received.partition) or await self._restored(message)
        headers = header_map(received.headers)
        record = self._processing.decode(received.value, headers, received.key)
        may_repeat = self.duplicates.are_found and not isinstance(record, Retraction)
        if may_repeat and await self.duplicates.check(message, record.id):
            return []
        at = Offset(topic=received.topic, partition=received.partition, offset=received.offset)
        if suspect:
            async with self._suspects:
                with self._limit.attempt():
                    outcomes = await agent.handle(record, at)
        elif self._policy.concurrent:
            with self._limit.attempt():
                outcomes = await agent.handle(record, at)
        else:
            outcomes = await agent.handle(record, at)
        return encode_all(outcomes, self._encode)

    async def _judge(self, message: InFlight, error: Exception) -> tuple[Fault, Exception]:
        """What is at fault, and the error to report: that of the probe where the probe fails."""
        fault, cause = fault_of(error), error
        agent = self._agents.get(message.received.partition)
        if fault is Fault.UNCLEAR and isinstance(agent, DependentAgent):
            try:
                async with asyncio.timeout(self._policy.timeout):
                    await agent.probe()
            except Exception as failed:
                stopped = fault_of(failed) is Fault.PROCESS
                fault, cause = (Fault.PROCESS if stopped else Fault.SURROUNDINGS), failed
        if fault is Fault.PROCESS:
            self._on_fatal(cause)
        return fault, cause

    async def _restored(self, message: InFlight) -> Agent:
        """Make and restore the agent of a partition.

        Raises StateUnavailable, whatever the reason: it is never the message.
        """
        partition = message.received.partition
        restoring = asyncio.ensure_future(self._processing.agent_of(partition))
        try:
            await asyncio.wait({restoring}, timeout=_QUICK_SECONDS)
            while not restoring.done() and self._is_needed(message):
                with self._in_flight.not_waited_for():
                    changed = asyncio.ensure_future(self._changed.wait())
                    await asyncio.wait({restoring, changed}, return_when="FIRST_COMPLETED")
                    changed.cancel()
            if not self._is_needed(message):
                raise StateUnavailable("the partition was revoked or the stage closed meanwhile")
            agent = self._agents[partition] = restoring.result()
            return agent
        except Exception as error:
            raise StateUnavailable(
                f"the agent of partition {partition} cannot be restored: {error}"
            ) from error
        finally:
            restoring.cancel()

    async def _wait(self, message: InFlight, seconds: float) -> None:
        """Wait before another attempt, or until a partition is revoked or the stage closes."""
        if self._is_needed(message):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), seconds)

    def _is_needed(self, message: InFlight) -> bool:
        return not (self._closed or message.tracker.revoked)

    def _end_waits(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
