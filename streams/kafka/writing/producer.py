"""The producer: idempotent, with acks=all, used directly.

faust's ``topic.send`` only logs a failed produce, is not idempotent, and costs twice as much CPU.
"""

import math
import time
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator, MessageBatch

from schemas.wire import MAX_BYTES
from streams.kafka.cluster import Cluster
from streams.kafka.connection.aiokafka_client import Client

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


NULL = object()
"""A null value. aiokafka refuses None where the key is None too, which Kafka allows."""


def _serialized(value: Any) -> bytes | None:
    return None if value is NULL else value


class Producer(AIOKafkaProducer):
    """aiokafka's producer: idempotent, with acks=all, and sending ``Together``."""

    def __init__(self, cluster: Cluster) -> None:
        """Needs a running event loop."""
        super().__init__(
            **cluster.client,
            **DELIVERY,
            max_request_size=2 * MAX_BYTES,
            value_serializer=_serialized,
        )
        Client.replace(self.client)
        self._message_accumulator.__class__ = (
            Together  # made in there, and already shared with the sender
        )
