"""Messages as records, for everything that reads topics beside the stages.

A stage turns each message of its source that it cannot read into a dead letter. Other readers pass
over such a message.
"""

import logging
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from schemas.errors import WireError
from schemas.record import Record
from schemas.records import Document
from schemas.wire import decode, decode_document, header_map
from streams.kafka.messages import Received
from streams.kafka.topics import topic_of

log = logging.getLogger(__name__)
R = TypeVar("R", bound=Record)
_R = TypeVar("_R", bound=Record, covariant=True)


class Entry(NamedTuple, Generic[_R]):
    """A message of a compacted topic: the newest value of an id, or None where it is retracted."""

    id: str
    record: _R | None


class Unreadable(NamedTuple):
    """A message that this version cannot read. ``topic`` is its name on the cluster."""

    topic: str
    partition: int
    offset: int
    reason: str

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"


def log_unreadable(message: Unreadable) -> None:
    """Log a message that is passed over."""
    log.warning("%s is passed over: %s", message, message.reason)


class RecordReader:
    """Decodes messages. Its methods return None for a message that this version cannot read.

    Such a message is counted and noted, by default in the log, once for a reader however often it
    is read. So a process that reads a topic again and again keeps its reader.
    """

    def __init__(
        self,
        count: Callable[[str], object] = lambda topic: None,
        note: Callable[[Unreadable], object] = log_unreadable,
    ) -> None:
        """``count`` is called with the topic's name in the table for each unreadable message."""
        self._count = count
        self._note = note
        self._noted: dict[tuple[str, int], int] = {}
        """Last noted offset of each partition. Partitions are read in order of their offsets, so
        what lies before it was noted too.
        """

    def read_record(self, received: Received, record: type[R]) -> R | None:
        """The record of a message. A null value is unreadable."""
        try:
            _check_decodable(received)
            return _decode(received, record)
        except WireError as error:
            self.pass_over(received, topic_of(record).name, error)
            return None

    def read_entry(self, received: Received, record: type[R]) -> Entry[R] | None:
        """What a message of a compacted topic says about an id.

        Unreadable without a key in UTF-8, which is the id on these topics.
        """
        try:
            _check_decodable(received)
            key = (received.key or b"").decode()
            if not key:
                raise WireError("no key on a compacted topic")
            if received.value is None:
                return Entry(key, None)
            read = _decode(received, record)
            return Entry(read.id, read)
        except (UnicodeDecodeError, WireError) as error:
            self.pass_over(received, topic_of(record).name, error)
            return None

    def pass_over(self, received: Received, topic: str, reason: object) -> None:
        """Count and note a message that cannot be read, if it was not noted before."""
        partition = (received.topic, received.partition)
        if received.offset <= self._noted.get(partition, -1):
            return
        self._noted[partition] = received.offset
        self._count(topic)
        place = received.topic, received.partition, received.offset
        self._note(Unreadable(*place, str(reason)))


def _check_decodable(received: Received) -> None:
    if received.undecodable is not None:
        raise WireError(received.undecodable)


def _decode(received: Received, record: type[R]) -> R:
    headers = header_map(received.headers)
    if record is Document:
        return decode_document(received.value, headers, received.key)  # type: ignore[return-value]
    return decode(record, received.value, headers)
