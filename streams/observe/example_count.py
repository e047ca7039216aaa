"""The number of examples on ``curated``: of different ids that are not retracted."""

import time
from contextlib import AbstractContextManager

from kafka import TopicPartition

from schemas.records import Example
from schemas.wire import header_map, names_schema
from streams.kafka.admin.partitions import partitions_of
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import connect, kafka_errors
from streams.kafka.connection.permissions import reading
from streams.kafka.messages import Received
from streams.kafka.reading.consumers import Consumer
from streams.kafka.reading.records import RecordReader
from streams.kafka.topics import CURATED

_POLL_MS = 100


class ExampleCount:
    """Reads keys, first of the whole topic and then of what is new. Use as a context manager.

    Only values without Backstream's headers are decoded; those that cannot be are no examples.
    Messages outnumber examples: an id is written again when it is rated again or when another
    sample of its passage comes, and a retraction is a message too. An id takes 8 bytes of a set.
    """

    def __init__(self, cluster: Cluster) -> None:
        """Raises BrokerError where the topic cannot be read."""
        self.complete = False
        """Whether the last reading came to the end of the topic."""
        self._cluster, self._name = cluster, cluster.topic(CURATED)
        self._ids: set[int] = set()
        self._reader = RecordReader(note=lambda _: None)
        self._consumer = connect(
            Consumer,
            cluster,
            enable_auto_commit=False,
            isolation_level=cluster.isolation,
            auto_offset_reset="earliest",
        )
        try:
            with self._errors():
                partitions = partitions_of(self._consumer, cluster, CURATED)
                self._places = [TopicPartition(self._name, number) for number in partitions]
                self._consumer.assign(self._places)
                self._consumer.seek_to_beginning(*self._places)
        except BaseException:
            self._consumer.close()
            raise

    def __enter__(self) -> "ExampleCount":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def read(self, seconds: float) -> int:
        """Read to the present end of the topic, or for so long; return the number of examples.

        Raises BrokerError.
        """
        deadline = time.monotonic() + seconds
        with self._errors():
            ends = self._consumer.end_offsets(self._places)
            while not (complete := self._is_at(ends)) and time.monotonic() < deadline:
                for messages in self._consumer.poll(timeout_ms=_POLL_MS).values():
                    for message in messages:
                        self._count(message)
        self.complete = complete
        return len(self._ids)

    def _count(self, message: Received) -> None:
        if message.undecodable is not None:
            return
        if message.value is None:
            self._ids.discard(hash(message.key))
        elif names_schema(Example, header_map(message.headers)) or (
            self._reader.read_entry(message, Example) is not None
        ):
            self._ids.add(hash(message.key))

    def _is_at(self, ends: dict[TopicPartition, int]) -> bool:
        return all(self._consumer.position(place) >= end for place, end in ends.items())

    def _errors(self) -> AbstractContextManager[None]:
        return kafka_errors(f"{self._name} cannot be read", self._cluster, reading(self._name))
