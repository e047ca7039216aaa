"""Writing to Kafka: one idempotent producer with acks=all, used directly.

faust's ``topic.send`` only logs a failed produce, is not idempotent, and costs twice as much CPU.
"""

import asyncio
import math
import time
from collections.abc import Mapping
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordTooLargeError,
)
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator, MessageBatch

from schemas.errors import BrokerError, BrokerUnavailable, WireError
from schemas.records import Record
from schemas.wire import MAX_BYTES, encode, headers_for
from streams.kafka.clients import start
from streams.kafka.cluster import Cluster
from streams.kafka.messages import HeaderPairs, Message
from streams.kafka.topics import topic_of

DELIVERY: Mapping[str, Any] = {
    "acks": "all",
    "enable_idempotence": True,
    "linger_ms": 100,
    "max_batch_size": 128 * 1024,
}
"""Delivery settings of the stream's producers."""


class Together(MessageAccumulator):
    """An accumulator that sends all partitions together, at most once in a linger.

    Each broker gets one request. A record leaves at once after a silence, and a busy stream costs
    ten requests a second, because broker and client pay for requests rather than for records.
    aiokafka 0.14 has the batch of each partition wait for itself (its issue 1142): 50 records a
    second through all stages took 87 requests.
    """

    _sent = -math.inf
    """When a batch was last given to the sender."""

    def _append_batch(self, builder: BatchBuilder, tp: TopicPartition) -> MessageBatch:
        batch = super()._append_batch(builder, tp)
        batch._ctime = max(self._sent, batch._ctime - self._linger_time)
        return batch

    def drain_by_nodes(self, ignore_nodes: Any, muted_partitions: Any = frozenset()) -> Any:
        """See MessageAccumulator."""
        drained = super().drain_by_nodes(ignore_nodes, muted_partitions)
        if drained[0]:
            self._sent = time.monotonic()
        return drained


class Producer(AIOKafkaProducer):
    """aiokafka's producer: idempotent, with acks=all, and sending ``Together``."""

    def __init__(self, cluster: Cluster) -> None:
        """Needs a running event loop."""
        super().__init__(**cluster.client, **DELIVERY, max_request_size=2 * MAX_BYTES)
        self._message_accumulator.__class__ = (
            Together  # made in there, and already shared with the sender
        )


class Writer(Protocol):
    """Where a stage writes.

    ``send`` returns once the message is queued. Its future is done once the broker has the message.
    """

    async def send(self, message: Message) -> "asyncio.Future[Any]":
        """Queue a message, and wait for room where the queue is full.

        Raises WireError where the message is too large, BrokerUnavailable where it may be sent
        again, and BrokerError where the producer is unusable. The future fails with the client's
        error, which ``broker_error`` translates.
        """


class Encoder:
    """Records as messages. The headers of a record type are made once."""

    def __init__(self) -> None:
        self._by_type: dict[type[Record], tuple[str, HeaderPairs]] = {}

    def __call__(self, record: Record) -> Message:
        """The message for a record, on its type's topic, with its id as key.

        Raises WireError where it is too large.
        """
        kind = type(record)
        found = self._by_type.get(kind)
        if found is None:
            found = self._by_type[kind] = (topic_of(kind).name, headers_for(kind))
        return Message(found[0], record.id.encode(), encode(record), found[1])


class KafkaWriter:
    """The producer of a worker. Use as an async context manager."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._producer: Producer | None = None

    async def __aenter__(self) -> "KafkaWriter":
        self._producer = Producer(self._cluster)
        await start(self._producer, self._cluster)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._producer is not None:
            await self._producer.stop()

    async def send(self, message: Message) -> "asyncio.Future[Any]":
        """See Writer."""
        assert self._producer is not None, "used before start"
        try:
            return await self._producer.send(
                self._cluster.topic_prefix + message.topic,
                message.value,
                message.key,
                headers=message.headers,
            )
        except (MessageSizeTooLargeError, RecordTooLargeError) as error:
            raise WireError(f"message for {message.topic} is too large: {error}") from error
        except KafkaError as error:
            raise broker_error(message, error) from error


def broker_error(message: Message, error: BaseException) -> BrokerError:
    """The error of a message that was not written, from the client's."""
    retriable = isinstance(error, KafkaTimeoutError) or (
        isinstance(error, KafkaError) and error.retriable
    )
    kind = BrokerUnavailable if retriable else BrokerError
    return kind(f"cannot write to topic {message.topic}: {error!r}")
