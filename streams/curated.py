"""Reading the curated set as a downstream user does: newest example for each id, or new ones as they come."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from schemas.errors import BrokerError
from schemas.records import Example
from schemas.wire import decode, header_map
from streams.replay import replay
from streams.topics import CURATED


def snapshot(client: Mapping[str, Any]) -> list[Example]:
    """The set as it is now: the newest value of each id, tombstones gone, in order of first arrival."""
    examples: dict[str, Example] = {}
    for received in replay(client, CURATED.name):
        key = (received.key or b"").decode(errors="replace")
        if received.value is None:
            examples.pop(key, None)
        else:
            examples[key] = decode(Example, received.value, header_map(received.headers))
    return list(examples.values())


def follow(client: Mapping[str, Any], *, from_beginning: bool, stop: Callable[[], bool]) -> Iterator[Example]:
    """New examples as they come, until ``stop``. Raises BrokerError."""
    offset = "earliest" if from_beginning else "latest"
    try:
        consumer = KafkaConsumer(**client, enable_auto_commit=False, auto_offset_reset=offset)
        try:
            places = [TopicPartition(CURATED.name, partition) for partition in consumer.partitions_for_topic(CURATED.name) or ()]
            consumer.assign(places)
            while not stop():
                for records in consumer.poll(timeout_ms=300).values():
                    for record in records:
                        if record.value is not None:
                            yield decode(Example, record.value, header_map(record.headers))
        finally:
            consumer.close()
    except KafkaError as error:
        raise BrokerError(f"{CURATED.name} cannot be read: {error}") from error
