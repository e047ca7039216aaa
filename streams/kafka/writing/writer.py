"""Writing to Kafka: every message is written in the end, or it is too large.

An idempotent producer repeats what may be repeated by itself. After any other error its sequence
numbers have a gap, so that no later message is accepted either. It is then replaced, and what it
has not written is sent again in the same order. So no error of the broker reaches a stage.
"""

import asyncio
import contextlib
import functools
import itertools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    RecordTooLargeError,
)

from schemas.errors import BrokerError, WireError
from streams.backoff import Backoff
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import start
from streams.kafka.connection.permissions import denial, writing
from streams.kafka.messages import Message
from streams.kafka.writing.producer import NULL, Producer

log = logging.getLogger(__name__)
_TOO_LARGE = (MessageSizeTooLargeError, RecordTooLargeError, RecordListTooLargeError)
_BACKOFF = Backoff(0.1, 5.0)
_STEADY_SECONDS = 60.0
"""A producer that lasted for this long is replaced after the shortest back-off again."""
_CLOSE_SECONDS = 3.0
"""Longest wait for unwritten messages at the end. They are read again at the next start."""


class Writer(Protocol):
    """Where a stage writes."""

    unavailable: str | None
    """Why messages wait, or None where they do not."""

    async def send(self, message: Message) -> "asyncio.Future[None]":
        """Queue a message, and wait for room where the queue is full.

        The future is done once the broker has the message. Raises WireError, as the future does,
        where the message cannot be written because it is too large or has no form in Kafka.
        """


@dataclass(eq=False, slots=True)
class _Unwritten:
    """A message that the broker has not acknowledged."""

    message: Message
    written: "asyncio.Future[None]"
    queued: bool = False
    """Whether the producer has it. False where it has failed."""
    alone: bool = False
    """Whether the batch that it was in was too large: it is sent in one of its own."""


class KafkaWriter:
    """The producer of a worker. Use as an async context manager."""

    def __init__(self, cluster: Cluster, make: Callable[[Cluster], Producer] = Producer) -> None:
        self.unavailable: str | None = None
        """See Writer."""
        self._cluster = cluster
        self._make = make
        self._producer: Producer | None = None
        self._numbers = itertools.count()
        self._unwritten: dict[int, _Unwritten] = {}  # in the order in which they were sent
        self._usable = asyncio.Event()
        self._replacement: asyncio.Task[None] | None = None
        self._started_at = 0.0
        self._replacements = 0
        """Attempts to replace the producer since one lasted."""

    async def __aenter__(self) -> "KafkaWriter":
        self._producer = await self._started()
        self._usable.set()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._usable.clear()
        if self._replacement is not None:
            self._replacement.cancel()
            await asyncio.wait([self._replacement])
        if self._producer is not None:
            await _close(self._producer)
        for unwritten in self._unwritten.values():
            unwritten.written.cancel()

    async def send(self, message: Message) -> "asyncio.Future[None]":
        """See Writer."""
        unwritten = _Unwritten(message, asyncio.get_running_loop().create_future())
        while True:
            if not self._usable.is_set():
                await self._usable.wait()
            producer = self._producer
            assert producer is not None
            try:
                await self._queue(producer, next(self._numbers), unwritten)
            except KafkaError as error:
                self.unavailable = self._reason(message, error)
                if error.retriable or isinstance(error, KafkaTimeoutError):
                    await asyncio.sleep(_BACKOFF.shortest)
                else:
                    self._replace(producer)
            else:
                return unwritten.written

    async def _queue(self, producer: Producer, number: int, unwritten: _Unwritten) -> None:
        """Give a message to the producer. Raises WireError, and the client's KafkaError."""
        message = unwritten.message
        null = message.value is None and message.key is None
        try:
            future = await producer.send(
                self._cluster.topic_prefix + message.topic,
                NULL if null else message.value,
                message.key,
                headers=message.headers,
            )
        except _TOO_LARGE as error:
            raise _too_large(message, error) from error
        except KafkaError:
            raise
        except Exception as error:
            raise WireError(f"cannot write to topic {message.topic}: {error!r}") from error
        unwritten.queued = True
        self._unwritten[number] = unwritten
        future.add_done_callback(functools.partial(self._answered, producer, number, unwritten))

    def _answered(
        self,
        producer: Producer,
        number: int,
        unwritten: _Unwritten,
        future: "asyncio.Future[Any]",
    ) -> None:
        if future.cancelled():
            error = None
        elif (error := future.exception()) is None:
            self._end(number)
            if self._usable.is_set():
                self.unavailable = None
            return
        unwritten.queued = False
        if isinstance(error, _TOO_LARGE):
            if unwritten.alone:
                self._end(number, _too_large(unwritten.message, error))
            unwritten.alone = True
        if self._usable.is_set():
            self.unavailable = self._reason(unwritten.message, error)
        self._replace(producer)

    def _end(self, number: int, error: WireError | None = None) -> None:
        written = self._unwritten.pop(number).written
        if written.done():  # cancelled
            return
        if error is None:
            written.set_result(None)
        else:
            written.set_exception(error)

    def _reason(self, message: Message, error: BaseException | None) -> str:
        topic = self._cluster.topic_prefix + message.topic
        denied = error and denial(error, self._cluster, [writing(topic)])
        return f"cannot write to topic {message.topic}: {denied or repr(error)}"

    def _replace(self, producer: Producer) -> None:
        """Replace a producer that accepts nothing more, once."""
        if producer is self._producer and self._usable.is_set():
            self._usable.clear()
            self._replacement = asyncio.create_task(self._replaced(producer))

    async def _replaced(self, producer: Producer) -> None:
        if time.monotonic() - self._started_at > _STEADY_SECONDS:
            self._replacements = 0
        complete = False
        while not complete:
            self._replacements += 1
            pause = _BACKOFF.after(self._replacements)
            log.warning("%s; trying again in %.1f s", self.unavailable, pause)
            await asyncio.sleep(pause)
            with contextlib.suppress(KafkaError):
                await producer.stop()  # what it still has is written, or fails as well
            try:
                producer = self._producer = await self._started()
                await self._send_again(producer)
                complete = all(unwritten.queued for unwritten in self._unwritten.values())
            except (BrokerError, KafkaError) as error:
                self.unavailable = str(error)
        if not self._unwritten:
            self.unavailable = None
        self._usable.set()

    async def _send_again(self, producer: Producer) -> None:
        """Send what failed, in the order of the first time. Returns early where one fails again."""
        for number, unwritten in sorted(self._unwritten.items()):
            if unwritten.queued or number not in self._unwritten:
                continue
            try:
                await self._queue(producer, number, unwritten)
            except WireError as error:  # a topic's limit does not change that
                self._end(number, error)
                continue
            if unwritten.alone:
                await producer.flush()
            if not unwritten.queued and number in self._unwritten:
                return

    async def _started(self) -> Producer:
        producer = self._make(self._cluster)
        await start(producer, self._cluster)
        self._started_at = time.monotonic()
        return producer


async def _close(producer: Producer) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(producer.stop(), _CLOSE_SECONDS)
        return
    log.warning("messages that no broker has acknowledged are abandoned; they are read again")
    await producer.client.close()


def _too_large(message: Message, error: BaseException) -> WireError:
    return WireError(f"message for {message.topic} is too large: {error}")
