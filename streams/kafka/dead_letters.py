"""Dead letters: the original key and value, byte for byte, and why they were not processed.

Header names are those of KIP-1034 (dead-letter queue of Kafka Streams), and ``backstream.stage``.
"""

import traceback
from collections.abc import Iterable
from typing import NamedTuple

from schemas.wire import header_map
from streams.kafka.messages import Message, Received
from streams.kafka.topics import DEAD_LETTERS

_PREFIX = "__streams.errors."
EXCEPTION = _PREFIX + "exception"
MESSAGE = _PREFIX + "message"
STACKTRACE = _PREFIX + "stacktrace"
TOPIC = _PREFIX + "topic"
PARTITION = _PREFIX + "partition"
OFFSET = _PREFIX + "offset"
STAGE = "backstream.stage"
ORIGINAL_BYTES = "backstream.original.bytes"
"""Length of a value that was cut because it is too large to keep; absent where it is whole."""
ORIGINAL_SHA256 = "backstream.original.sha256"
"""Hash of that value, in hexadecimal digits."""
_OWN = frozenset(
    (
        EXCEPTION,
        MESSAGE,
        STACKTRACE,
        TOPIC,
        PARTITION,
        OFFSET,
        STAGE,
        ORIGINAL_BYTES,
        ORIGINAL_SHA256,
    )
)
_LONGEST_TRACE = 16_000
_LONGEST_MESSAGE = 2_000


def dead_letter(received: Received, stage: str, error: BaseException) -> Message:
    """The dead letter of a message that ``stage`` could not process."""
    trace = "".join(traceback.format_exception(error))[-_LONGEST_TRACE:]
    fields = {
        EXCEPTION: f"{type(error).__module__}.{type(error).__qualname__}",
        MESSAGE: str(error)[:_LONGEST_MESSAGE],
        STACKTRACE: trace,
        TOPIC: received.topic,
        PARTITION: str(received.partition),
        OFFSET: str(received.offset),
        STAGE: stage,
    }
    headers = [
        *original_headers(received.headers),
        *((name, text.encode("utf-8", "replace")) for name, text in fields.items()),
    ]
    return Message(DEAD_LETTERS.name, received.key, received.value, headers)


def original_headers(headers: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """The headers that the message had before it became a dead letter."""
    return [(name, value) for name, value in headers if name not in _OWN]


def is_cut(letter: Received) -> bool:
    """Whether the letter holds only a part of the original value."""
    return ORIGINAL_BYTES in header_map(letter.headers)


class SourceMessage(NamedTuple):
    """The message that became a dead letter. ``topic`` is its name on the cluster."""

    topic: str
    partition: int
    offset: int


def origin_of(letter: Received) -> SourceMessage | None:
    """The message that became this dead letter. None where the headers do not name one."""
    fields = header_map(letter.headers)
    try:
        return SourceMessage(
            fields[TOPIC].decode(),
            _number(fields[PARTITION], 2**31),
            _number(fields[OFFSET], 2**63),
        )
    except (KeyError, ValueError):
        return None


def _number(digits: bytes, end: int) -> int:
    """A number from 0 up to ``end``. Raises ValueError for anything but its decimal digits."""
    if not digits.isdigit() or (number := int(digits)) >= end:
        raise ValueError(f"{digits!r} is not a number below {end}")
    return number


def stage_of(letter: Received) -> str | None:
    """The stage that could not process the message. None where the headers name none."""
    name = header_map(letter.headers).get(STAGE)
    return name.decode(errors="replace") if name else None
