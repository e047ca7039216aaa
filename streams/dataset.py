"""The curated set as a downstream user reads it: as it is now, as it changes, or as a Hugging Face dataset.

An id may come again: with a newer rating, or after a retraction. Its newest value counts. ``snapshot`` gives each id once;
who follows sees every value in the order of the topic, and keeps the last.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from schemas.errors import BrokerError, SettingsError, WireError
from schemas.records import Example
from schemas.wire import decode, header_map
from streams.dead_letters import Received
from streams.exports import Shape
from streams.replay import replay
from streams.topics import CURATED, REACH_MS

if TYPE_CHECKING:
    from streams.hugging_face import IterableDataset

log = logging.getLogger(__name__)
_POLL_MS = 300


@dataclass(frozen=True, slots=True)
class Change:
    """One message of the topic: the newest value of an id so far, or, where ``example`` is None, its retraction."""

    id: str
    example: Example | None
    partition: int
    offset: int


def connect(bootstrap_servers: str, **options: Any) -> dict[str, Any]:
    """What the functions here need to reach a Kafka: ``host:port``, and kafka-python's options for TLS and SASL.

    Nothing is sent yet.
    """
    return {"bootstrap_servers": bootstrap_servers, **options}


def snapshot(client: Mapping[str, Any]) -> list[Example]:
    """The set as it is now: the newest value of each id, retracted ones gone, in order of first arrival.

    Raises BrokerError.
    """
    return [change.example for change in newest(client) if change.example is not None]


def newest(client: Mapping[str, Any]) -> list[Change]:
    """The changes that ``snapshot`` is made of, each with the place of its message. Raises BrokerError."""
    by_id: dict[str, Change] = {}
    for change in _understood(replay(client, CURATED.name)):
        if change.example is None:
            by_id.pop(change.id, None)
        else:
            by_id[change.id] = change
    return list(by_id.values())


def follow(
    client: Mapping[str, Any], *, from_beginning: bool = True, stop: Callable[[], bool] = lambda: False
) -> Iterator[Example]:
    """Examples as they come, until ``stop``; retractions are not shown. Raises BrokerError.

    From the beginning, older values of an id come too, where the broker has not compacted them away yet.
    """
    for change in changes(client, {} if from_beginning else None, stop=stop):
        if change.example is not None:
            yield change.example


def changes(
    client: Mapping[str, Any], start: Mapping[int, int] | None = None, *, stop: Callable[[], bool] = lambda: False
) -> Iterator[Change]:
    """Examples and retractions as they come, until ``stop``, which is asked several times a second. Raises BrokerError.

    ``start`` is the offset to begin at, by partition: one more than that of the last change that was dealt with. A partition
    that it does not name is read from its beginning. Without it, only what is new comes.
    """
    try:
        consumer = KafkaConsumer(
            **client,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="latest" if start is None else "earliest",
        )
        try:
            places = [TopicPartition(CURATED.name, partition) for partition in _partitions(consumer)]
            consumer.assign(places)
            if start is not None:
                for place in places:
                    consumer.seek(place, start.get(place.partition, 0))
            while not stop():
                for records in consumer.poll(timeout_ms=_POLL_MS).values():
                    yield from _understood(Received(r.topic, r.partition, r.offset, r.key, r.value, r.headers) for r in records)
        finally:
            consumer.close()
    except KafkaError as error:
        raise BrokerError(f"{CURATED.name} cannot be read at {client.get('bootstrap_servers')}: {error}") from error


def partitions(client: Mapping[str, Any]) -> tuple[int, ...]:
    """The partitions of the topic. Raises BrokerError, also where there is no such topic."""
    try:
        consumer = KafkaConsumer(**client, enable_auto_commit=False, bootstrap_timeout_ms=REACH_MS)
        try:
            return _partitions(consumer)
        finally:
            consumer.close()
    except KafkaError as error:
        raise BrokerError(f"no Kafka at {client.get('bootstrap_servers')}: {error}") from error


def iterable_dataset(client: Mapping[str, Any], shape: Shape = Shape.TRIPLES, *, follow: bool = False) -> "IterableDataset":
    """The set as a ``datasets.IterableDataset`` of rows as in ``backstream export``.

    Without ``follow``: the set as it is when an epoch begins, each id once. With it: every example of the topic, then new
    ones as they come, for ever; an id may come again, and its newest row counts. Only the rows of ``triples`` have the id.
    Retractions have no row: a new epoch without ``follow`` leaves them out, ``changes`` shows them.

    ``state_dict`` holds offsets of the topic, so a resumed iteration goes on with the next message, whatever was compacted
    away meanwhile. Without ``follow``, an id that changed meanwhile comes again. One shard is one partition.

    Raises BrokerError, and SettingsError where ``datasets`` is not installed.
    """
    try:
        from streams.hugging_face import rows
    except ImportError as error:
        raise SettingsError(f"{error}: `pip install 'datasets>=5,<6'`, or Backstream's extra `train`") from error
    return rows(client, partitions(client), shape, follow)


def _partitions(consumer: KafkaConsumer) -> tuple[int, ...]:
    found = tuple(sorted(consumer.partitions_for_topic(CURATED.name) or ()))
    if not found:
        raise BrokerError(f"there is no topic {CURATED.name} on this Kafka: `backstream up` creates it")
    return found


def _understood(messages: Iterable[Received]) -> Iterator[Change]:
    """Messages as changes. What is no example of this version is passed over, as the trainer does."""
    for message in messages:
        example = None
        if message.value is not None:
            try:
                example = decode(Example, message.value, header_map(message.headers))
            except WireError as error:
                log.warning("%s@%d:%d is passed over: %s", message.topic, message.partition, message.offset, error)
                continue
        id = example.id if example else (message.key or b"").decode(errors="replace")
        yield Change(id, example, message.partition, message.offset)
