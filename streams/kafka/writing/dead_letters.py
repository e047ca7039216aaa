"""Dead letters: the original key and value, byte for byte, and why they were not processed.

Header names are those of KIP-1034 (dead-letter queue of Kafka Streams), and some that start with
``backstream.``. What does not fit on the topic is cut; its length and SHA-256 are kept.
"""

import hashlib
import traceback
from collections.abc import Iterable
from typing import NamedTuple

from schemas.errors import WireError
from schemas.wire import MAX_BYTES, header_map
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
UNDECODABLE = "backstream.undecodable"
"""Why the client library could not decode the message, where it could not."""
_PARTS = ("key", "value", "headers")
_LENGTH = {part: f"backstream.{part}.length" for part in _PARTS}
_SHA256 = {part: f"backstream.{part}.sha256" for part in _PARTS}
_OWN = frozenset(
    (
        *(EXCEPTION, MESSAGE, STACKTRACE, TOPIC, PARTITION, OFFSET, STAGE, UNDECODABLE),
        *_LENGTH.values(),
        *_SHA256.values(),
    )
)
_LONGEST_TRACE = 16_000
_LONGEST_MESSAGE = 2_000
LARGEST = MAX_BYTES + 1008 * 1024
"""Most bytes of a letter. The topic's limit leaves room for the batch around it."""
SMALLEST = 4096
"""Lowest limit that a letter can be cut to."""
_PER_HEADER = 10
"""Bytes that the lengths of a header's name and value take, at most."""
_RESERVED = 600
"""Bytes kept free for the lengths and sums of what is cut."""

_Header = tuple[str, bytes]
_Headers = list[_Header]


def dead_letter(
    received: Received, stage: str, error: BaseException, limit: int = LARGEST
) -> Message:
    """The dead letter of a message that ``stage`` could not process, in at most ``limit`` bytes.

    A message that does not fit is cut: its key to an eighth of the room, its headers to a quarter,
    and its value to what is left. Header names that are not UTF-8 are written escaped.
    """
    own = _own_headers(received, stage, error, limit)
    room = max(0, limit - _RESERVED - _size(own))
    original = original_headers(received.headers)
    written = [(_written_name(name), value) for name, value in original]
    fits = len(received.key or b"") + len(received.value or b"") + _size(written) <= room
    kept = written if fits else _first_that_fit(written, room // 4)
    key = received.key if fits else _first_bytes(received.key, room // 8)
    room -= _size(kept) + len(key or b"")
    value = received.value if fits else _first_bytes(received.value, room)
    if kept != original:
        own += _fingerprint("headers", _joined(original))
    if key != received.key:
        own += _fingerprint("key", received.key)
    if value != received.value:
        own += _fingerprint("value", received.value)
    return Message(DEAD_LETTERS.name, key, value, [*kept, *own])


def original_headers(headers: Iterable[_Header]) -> _Headers:
    """The headers that the message had before it became a dead letter."""
    return [(name, value) for name, value in headers if name not in _OWN]


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


def altered_parts(letter: Received) -> list[str]:
    """Which of ``key``, ``value`` and ``headers`` are not those of the original message."""
    names = header_map(letter.headers)
    return [part for part in _PARTS if _SHA256[part] in names]


def _number(digits: bytes, end: int) -> int:
    """A number from 0 up to ``end``. Raises ValueError for anything but its decimal digits."""
    if not digits.isdigit() or (number := int(digits)) >= end:
        raise ValueError(f"{digits!r} is not a number below {end}")
    return number


def stage_of(letter: Received) -> str | None:
    """The stage that could not process the message. None where the headers name none."""
    name = header_map(letter.headers).get(STAGE)
    return name.decode(errors="replace") if name else None


def _own_headers(received: Received, stage: str, error: BaseException, limit: int) -> _Headers:
    fields = {
        EXCEPTION: f"{type(error).__module__}.{type(error).__qualname__}",
        MESSAGE: str(error)[: min(_LONGEST_MESSAGE, limit // 16)],
        TOPIC: received.topic,
        PARTITION: str(received.partition),
        OFFSET: str(received.offset),
        STAGE: stage,
    }
    if not isinstance(error, WireError):  # its message says all, and one batch can bring thousands
        trace = "".join(traceback.format_exception(error))
        fields[STACKTRACE] = trace[-min(_LONGEST_TRACE, limit // 8) :]
    if received.undecodable is not None:
        fields[UNDECODABLE] = received.undecodable[: min(_LONGEST_MESSAGE, limit // 16)]
    return [(name, text.encode("utf-8", "replace")) for name, text in fields.items()]


def _written_name(name: str) -> str:
    """A header name as it can be written: what is not UTF-8 becomes an escape."""
    try:
        name.encode()
        return name
    except UnicodeEncodeError:
        return name.encode("utf-8", "backslashreplace").decode()


def _first_that_fit(headers: _Headers, room: int) -> _Headers:
    kept = []
    for header in headers:
        size = _size([header])
        if size <= room:
            kept.append(header)
            room -= size
    return kept


def _first_bytes(data: bytes | None, room: int) -> bytes | None:
    return data if data is None else data[: max(0, room)]


def _fingerprint(part: str, data: bytes | None) -> _Headers:
    """The headers that say what a part was before it was cut."""
    assert data is not None
    return [
        (_LENGTH[part], str(len(data)).encode()),
        (_SHA256[part], hashlib.sha256(data).hexdigest().encode()),
    ]


def _joined(headers: _Headers) -> bytes:
    """Headers as bytes, for their sum: name, ``:``, value and a line feed each."""
    return b"".join(
        name.encode("utf-8", "surrogatepass") + b":" + (value or b"") + b"\n"
        for name, value in headers
    )


def _size(headers: _Headers) -> int:
    return sum(len(name.encode()) + len(value or b"") + _PER_HEADER for name, value in headers)
