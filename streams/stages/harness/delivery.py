"""Writes the outputs of messages, or their dead letters, and counts the acknowledgements."""

import asyncio
import functools
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from streams.backoff import Backoff
from streams.kafka.topics import DEAD_LETTERS
from streams.kafka.writing.dead_letters import LARGEST, SMALLEST, dead_letter
from streams.kafka.writing.writer import Writer
from streams.stages import metrics as names
from streams.stages.agent.outputs import Output
from streams.stages.harness.in_flight import InFlight
from streams.stages.metrics import Metrics

log = logging.getLogger(__name__)
_LONGEST_REASON = 500
_BACKOFF = Backoff(0.1, 5.0)


class Delivery:
    """Delivers what is written for the messages of one stage."""

    def __init__(
        self,
        name: str,
        writer: Writer,
        metrics: Metrics,
        spawn: Callable[[InFlight, Coroutine[Any, Any, None]], None],
        finish: Callable[[InFlight], None],
    ) -> None:
        """``finish`` is called for a message once all that is written for it is acknowledged."""
        self._name = name
        self._writer = writer
        self._metrics = metrics
        self._spawn = spawn
        self._finish = finish
        self._counters: dict[str, Any] = {}

    async def deliver(self, message: InFlight, outputs: Sequence[Output]) -> None:
        """Write the outputs of a message, in order."""
        message.unacknowledged = len(outputs)
        for output in outputs:
            try:
                future = await self._writer.send(output.message)
            except Exception as error:
                self._note_refused(message, error)
            else:
                future.add_done_callback(functools.partial(self._note_result, message, output))
        if not outputs:
            self._finish(message)

    def bury(self, message: InFlight, error: BaseException) -> None:
        """Write the dead letter of a message."""
        message.outcome = "dead"
        message.unacknowledged += 1
        reason = str(error)[:_LONGEST_REASON]
        log.warning("%s: %s becomes a dead letter: %s", self._name, message.place, reason)
        self._spawn(message, self._write_letter(message, error))

    async def _write_letter(self, message: InFlight, error: BaseException) -> None:
        """Write a dead letter, cut further until it is taken."""
        limit, refusals = LARGEST, 0
        while True:
            try:
                letter = dead_letter(message.received, self._name, error, limit)
                await (await self._writer.send(letter))
                break
            except Exception as refusal:
                if limit > SMALLEST:
                    limit = max(limit // 8, SMALLEST)
                    continue
                message.unavailable = f"no dead letter can be written: {refusal}"
            refusals += 1
            await asyncio.sleep(_BACKOFF.after(refusals))
        self._note_written(message, DEAD_LETTERS.name)

    def _note_result(
        self, message: InFlight, output: Output, future: "asyncio.Future[None]"
    ) -> None:
        if future.cancelled():  # the writer was closed
            return
        error = future.exception()
        if error is not None:
            self._note_refused(message, error)
            return
        if output.reason is not None:
            counter = self._metrics.counter(
                names.REJECTIONS, stage=self._name, reason=output.reason
            )
            counter.inc(output.refused)
        if output.replaced:
            self._metrics.counter(names.REPLACED, stage=self._name).inc(output.replaced)
        if output.masked:
            self._metrics.counter(names.MASKED, stage=self._name).inc(output.masked)
        self._note_written(message, output.message.topic)

    def _note_refused(self, message: InFlight, error: BaseException) -> None:
        """Write a dead letter instead of the outputs that cannot be written."""
        message.unacknowledged -= 1
        if message.ended:
            return
        if message.outcome != "dead":
            self.bury(message, error)
        elif not message.unacknowledged:
            self._finish(message)

    def _note_written(self, message: InFlight, topic: str) -> None:
        counter = self._counters.get(topic)
        if counter is None:
            counter = self._metrics.counter(names.OUTPUTS, stage=self._name, topic=topic)
            self._counters[topic] = counter
        counter.inc()
        message.unacknowledged -= 1
        if not message.unacknowledged:
            self._finish(message)
