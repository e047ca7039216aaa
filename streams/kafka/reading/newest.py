"""What a compacted topic holds: the newest record of each id."""

from collections.abc import Callable
from typing import TypeVar

from schemas.record import Record
from streams.kafka.cluster import Cluster
from streams.kafka.messages import Received
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import topic_of

R = TypeVar("R", bound=Record)
V = TypeVar("V")


def newest_records(
    cluster: Cluster, record: type[R], reader: RecordReader | None = None
) -> list[R]:
    """The newest record of each id that is not retracted, in order of first arrival.

    Read from the topic of this record type, which is compacted. Raises BrokerError.
    """
    return list(newest_values(cluster, record, lambda one: one, reader or RecordReader()).values())


def newest_values(
    cluster: Cluster, record: type[R], value: Callable[[R], V], reader: RecordReader
) -> dict[str, V]:
    """The same by id, with what ``value`` makes of each. Only that is held in memory."""
    found: dict[str, V] = {}
    for received in replay(cluster, topic_of(record)):
        take_in(found, received, record, reader, value)
    return found


def take_in(
    found: dict[str, V],
    received: Received,
    record: type[R],
    reader: RecordReader,
    value: Callable[[R], V],
) -> None:
    """Replace or remove in ``found`` the value of the id that a message of a compacted topic has.

    A message that cannot be read changes nothing.
    """
    entry = reader.read_entry(received, record)
    if entry is None:
        return
    if entry.record is None:
        found.pop(entry.id, None)
    else:
        found[entry.id] = value(entry.record)
