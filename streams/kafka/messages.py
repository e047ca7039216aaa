"""Messages as they come from Kafka and as they go to it."""

from collections.abc import Sequence
from typing import NamedTuple

HeaderPairs = Sequence[tuple[str, bytes]]


class Received(NamedTuple):
    """A message as a stage received it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: HeaderPairs = ()


class Message(NamedTuple):
    """A message to be written. ``value`` is None for a tombstone."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: HeaderPairs = ()
