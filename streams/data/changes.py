"""The curated topic, message by message: examples, newer values of them, and retractions."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from schemas.errors import BrokerError, WireError
from schemas.records import Example
from schemas.wire import decode, header_map
from streams.kafka.cluster import Cluster
from streams.kafka.messages import Received
from streams.kafka.replay import replay
from streams.kafka.topics import CURATED, REACH_MS

log = logging.getLogger(__name__)
_POLL_MS = 300


@dataclass(frozen=True, slots=True)
class Change:
    """One message of the topic: the newest value of an id so far, or, where ``example`` is None,
    its retraction.
    """

    id: str
    example: Example | None
    partition: int
    offset: int


def newest(cluster: Cluster) -> list[Change]:
    """What the set is made of now: the newest value of each id, retracted ones gone. Raises
    BrokerError.
    """
    by_id: dict[str, Change] = {}
    for change in _understood(replay(cluster, CURATED)):
        if change.example is None:
            by_id.pop(change.id, None)
        else:
            by_id[change.id] = change
    return list(by_id.values())


def changes(
    cluster: Cluster,
    start: Mapping[int, int] | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Change]:
    """Examples and retractions as they come, until ``stop``, which is asked several times a second.
    Raises BrokerError.

    ``start`` is the offset to begin at, by partition: one more than that of the last change that
    was dealt with. A partition that it does not name is read from its beginning. Without it, only
    what is new comes.
    """
    try:
        consumer = KafkaConsumer(
            **cluster.client,
            enable_auto_commit=False,
            bootstrap_timeout_ms=REACH_MS,
            isolation_level="read_committed",
            auto_offset_reset="latest" if start is None else "earliest",
        )
        try:
            places = [
                TopicPartition(cluster.topic(CURATED), partition)
                for partition in _partitions(cluster, consumer)
            ]
            consumer.assign(places)
            if start is not None:
                for place in places:
                    consumer.seek(place, start.get(place.partition, 0))
            while not stop():
                for records in consumer.poll(timeout_ms=_POLL_MS).values():
                    yield from _understood(
                        Received(r.topic, r.partition, r.offset, r.key, r.value, r.headers)
                        for r in records
                    )
        finally:
            consumer.close()
    except KafkaError as error:
        raise BrokerError(
            f"{cluster.topic(CURATED)} cannot be read at {cluster.address}: {error}"
        ) from error


def partitions(cluster: Cluster) -> tuple[int, ...]:
    """The partitions of the topic. Raises BrokerError, also where there is no such topic."""
    try:
        consumer = KafkaConsumer(
            **cluster.client, enable_auto_commit=False, bootstrap_timeout_ms=REACH_MS
        )
        try:
            return _partitions(cluster, consumer)
        finally:
            consumer.close()
    except KafkaError as error:
        raise BrokerError(f"no Kafka at {cluster.address}: {error}") from error


def _partitions(cluster: Cluster, consumer: KafkaConsumer) -> tuple[int, ...]:
    found = tuple(sorted(consumer.partitions_for_topic(cluster.topic(CURATED)) or ()))
    if not found:
        raise BrokerError(
            f"there is no topic {cluster.topic(CURATED)} on this Kafka: `backstream up` creates it"
        )
    return found


def _understood(messages: Iterable[Received]) -> Iterator[Change]:
    """Messages as changes. What is no example of this version is passed over, as the trainer
    does.
    """
    for message in messages:
        example = None
        if message.value is not None:
            try:
                example = decode(Example, message.value, header_map(message.headers))
            except WireError as error:
                log.warning(
                    "%s@%d:%d is passed over: %s",
                    message.topic,
                    message.partition,
                    message.offset,
                    error,
                )
                continue
        id = example.id if example else (message.key or b"").decode(errors="replace")
        yield Change(id, example, message.partition, message.offset)
