"""Messages as they come from Kafka and as they go to it."""

from collections.abc import Sequence
from typing import NamedTuple

Partition = tuple[str, int]
"""A topic, by its name on the cluster, and the number of a partition."""
HeaderPairs = Sequence[tuple[str, bytes]]


class Received(NamedTuple):
    """A message as it was read. ``topic`` is its name on the cluster, with the prefix."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: HeaderPairs = ()
    undecodable: str | None = None
    """Why the client library could not decode the message, or None where it could.

    Key, value and headers are then what could be read of it, and empty where nothing could.
    """
    timestamp_ms: int | None = None
    """Milliseconds since the epoch: from the broker or from the writer, as the topic is set."""

    @property
    def at(self) -> str:
        """``PARTITION@OFFSET``."""
        return f"{self.partition}@{self.offset}"

    @property
    def place(self) -> str:
        """``TOPIC/PARTITION@OFFSET``."""
        return f"{self.topic}/{self.at}"


class Message(NamedTuple):
    """A message to be written. ``value`` is None for a tombstone.

    ``topic`` is a name in the table of topics, without the prefix: the writer adds it.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: HeaderPairs = ()
