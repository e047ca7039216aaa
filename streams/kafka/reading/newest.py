"""What a compacted topic holds: the newest record of each id."""

from typing import TypeVar

from schemas.record import Record
from streams.kafka.cluster import Cluster
from streams.kafka.messages import Received
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import topic_of

R = TypeVar("R", bound=Record)


def newest_records(
    cluster: Cluster, record: type[R], reader: RecordReader | None = None
) -> list[R]:
    """The newest record of each id that is not retracted, in order of first arrival.

    Read from the topic of this record type, which is compacted. Raises BrokerError.
    """
    reader, found = reader or RecordReader(), dict[str, R]()
    for received in replay(cluster, topic_of(record)):
        take_in(found, received, record, reader)
    return list(found.values())


def take_in(found: dict[str, R], received: Received, record: type[R], reader: RecordReader) -> None:
    """Replace or remove in ``found`` the record whose id a message of a compacted topic has.

    A message that cannot be read changes nothing.
    """
    entry = reader.read_entry(received, record)
    if entry is None:
        return
    if entry.record is None:
        found.pop(entry.id, None)
    else:
        found[entry.id] = entry.record
