"""The curated topic, message by message: examples, newer values of them, and retractions."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from kafka import TopicPartition

from schemas.records import Example
from streams.kafka.admin.partitions import partitions_of
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import connect, kafka_errors
from streams.kafka.connection.permissions import reading
from streams.kafka.messages import Received
from streams.kafka.reading.consumers import Consumer
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import CURATED

_POLL_MS = 300


@dataclass(frozen=True, slots=True)
class Change:
    """One message of the topic: a newer value of an id, or its retraction (``example`` is None)."""

    id: str
    example: Example | None
    partition: int
    offset: int
    timestamp_ms: int | None = None
    """See ``Received.timestamp_ms``."""


def newest(
    cluster: Cluster, needed: Callable[[Example], Example] = lambda example: example
) -> list[Change]:
    """The newest value of each id that is not retracted. Raises BrokerError.

    Of each example, what ``needed`` returns is held in memory.
    """
    by_id: dict[str, Change] = {}
    for change in _changes(replay(cluster, CURATED), RecordReader()):
        if change.example is None:
            by_id.pop(change.id, None)
        else:
            by_id[change.id] = replace(change, example=needed(change.example))
    return list(by_id.values())


def newest_offsets(cluster: Cluster) -> dict[str, int]:
    """The offset of the newest message of each id, which may be a retraction. Raises BrokerError.

    All messages of an id are in one partition.
    """
    return {
        change.id: change.offset for change in _changes(replay(cluster, CURATED), RecordReader())
    }


def changes(
    cluster: Cluster,
    start: Mapping[int, int] | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Change]:
    """Examples and retractions as they come, until ``stop()``, called several times a second.

    ``start`` maps partitions to the offset to begin at: one more than the offset of the last change
    that was handled. Partitions that are not in it are read from their beginning. Without
    ``start``, only new messages come.

    Raises BrokerError.
    """
    reader, name = RecordReader(), cluster.topic(CURATED)
    consumer = connect(
        Consumer,
        cluster,
        enable_auto_commit=False,
        isolation_level=cluster.isolation,
        auto_offset_reset="latest" if start is None else "earliest",
    )
    with consumer, kafka_errors(f"{name} cannot be read", cluster, reading(name)):
        places = [
            TopicPartition(name, partition)
            for partition in partitions_of(consumer, cluster, CURATED)
        ]
        consumer.assign(places)
        if start is not None:
            for place in places:
                consumer.seek(place, start.get(place.partition, 0))
        while not stop():
            for records in consumer.poll(timeout_ms=_POLL_MS).values():
                yield from _changes(records, reader)


def partitions(cluster: Cluster) -> tuple[int, ...]:
    """The partitions of the topic. Raises BrokerError, also where there is no such topic."""
    name = cluster.topic(CURATED)
    consumer = connect(Consumer, cluster, enable_auto_commit=False)
    with consumer, kafka_errors(f"{name} cannot be read", cluster, reading(name)):
        return tuple(partitions_of(consumer, cluster, CURATED))


def _changes(messages: Iterable[Received], reader: RecordReader) -> Iterator[Change]:
    for message in messages:
        if (entry := reader.read_entry(message, Example)) is not None:
            place = (message.partition, message.offset, message.timestamp_ms)
            yield Change(entry.id, entry.record, *place)
