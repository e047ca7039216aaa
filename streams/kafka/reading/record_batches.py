"""Kafka's record batches (magic 2), read as far as they can be.

For batches that the client libraries' decoders refuse: a header name that is not UTF-8, wrong
lengths, a payload that ends early. The format is that of Kafka's documentation, "Implementation /
Message Format" (https://kafka.apache.org/documentation/#messageformat).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.errors import WireError
from streams.kafka.reading.decompression import decompress

LENGTH = struct.Struct(">qi")
"""Offset and number of the bytes that follow, as in every version of the format."""
MAGIC_AT = 16
_HEADER = struct.Struct(">qiibIhiqqqhii")
HEADER_BYTES = _HEADER.size
_ATTRIBUTES_AT = 21
_CODEC, _TIMED_BY_BROKER, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20
_CONTROL_KEY = struct.Struct(">hh")
_ABORT = 0
_LONGEST_VARINT = 10


class BatchHeader(NamedTuple):
    """The header of a record batch, in the order of its fields."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    first_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records: int

    @classmethod
    def read(cls, batch: memoryview) -> "BatchHeader":
        """Read the header of a batch of at least ``HEADER_BYTES``."""
        return cls(*_HEADER.unpack_from(batch))

    @property
    def last_offset(self) -> int:
        """The offset of the last record that the batch was written with."""
        return self.base_offset + max(0, self.last_offset_delta)

    @property
    def codec(self) -> int:
        """The id of the compression codec, or 0."""
        return self.attributes & _CODEC

    def timestamp(self, delta: int) -> int:
        """The time of a record in milliseconds since the epoch; ``delta`` is the record's own."""
        if self.attributes & _TIMED_BY_BROKER:
            return self.max_timestamp
        return self.first_timestamp + delta

    @property
    def is_transactional(self) -> bool:
        """Whether the batch belongs to a transaction."""
        return bool(self.attributes & _TRANSACTIONAL)

    @property
    def is_control(self) -> bool:
        """Whether the batch is the marker of a transaction's end."""
        return bool(self.attributes & _CONTROL)


@dataclass(slots=True)
class RawRecord:
    """A record as far as it could be read."""

    offset: int
    key: bytes | None = None
    value: bytes | None = None
    headers: list[Any] = field(default_factory=list)
    """Names and values. A name that is not UTF-8 has its bytes as escapes."""
    reason: str | None = None
    """Why it is not a proper record, or None where it is one."""
    timestamp_ms: int | None = None


def decompressed(batch: memoryview, limit: int) -> tuple[bytearray, bool]:
    """The batch without compression, and whether that is all of it.

    The payload is cut about ``limit`` bytes. Raises WireError where it cannot be decompressed.
    """
    made = bytearray(batch[:HEADER_BYTES])
    codec = made[_ATTRIBUTES_AT + 1] & _CODEC
    made[_ATTRIBUTES_AT + 1] &= ~_CODEC
    return made, decompress(codec, batch[HEADER_BYTES:], limit, made)


def read_records(
    header: BatchHeader, payload: memoryview, skip: int = 0, first: int = 0, cut: str = ""
) -> Iterator[RawRecord]:
    """The records of a decompressed payload after the first ``skip``, in order. Never raises.

    Offsets are ``first`` or more, increase, and stay within the batch. Where the length of a record
    cannot be right, no further one can be found: what is left is one record at the last offset of
    the batch. ``cut`` says why the payload is only the beginning, where it is; the key of the
    record that is cut is kept.
    """
    at, expected, key = 0, max(first, header.base_offset), None
    for index in range(header.records):
        try:
            length, start = _varint(payload, at)
            if cut and length > len(payload) - start:
                key = _read_record(header, payload[start:]).key
            if not 0 <= length <= len(payload) - start:
                raise WireError(f"a record of {length} bytes, where {len(payload) - start} follow")
        except WireError as error:
            reason = cut or str(error)
            break
        at = start + length
        if index < skip:
            continue
        record = _read_record(header, payload[start:at])
        if not expected <= record.offset <= header.last_offset:
            record.reason = record.reason or f"the record says that its offset is {record.offset}"
            # Before compaction, records are numbered without gaps.
            record.offset = max(expected, header.base_offset + index)
        if record.offset > header.last_offset:
            return
        expected = record.offset + 1
        yield record
    else:
        return
    if expected <= header.last_offset:
        yield stand_in(expected, header.last_offset, reason, key)


def stand_in(first: int, last: int, reason: str, key: bytes | None = None) -> RawRecord:
    """What stands for the records from ``first`` to ``last``, of which nothing can be read."""
    which = "the record" if first == last else f"the records from offset {first} to {last}"
    return RawRecord(last, key, reason=f"{which} cannot be decoded: {reason}")


def is_abort_marker(header: BatchHeader, batch: memoryview) -> bool:
    """Whether a control batch says that its producer's transaction was aborted."""
    marker = next(read_records(header, batch[HEADER_BYTES:]), None)
    if marker is None or marker.key is None or len(marker.key) < _CONTROL_KEY.size:
        return False
    return _CONTROL_KEY.unpack_from(marker.key)[1] == _ABORT


def _read_record(header: BatchHeader, data: memoryview) -> RawRecord:
    """Read one record. ``data`` is all of it, after its length."""
    record = RawRecord(-1)
    try:
        timestamp, at = _varint(data, 1)  # after a byte of attributes
        record.timestamp_ms = header.timestamp(timestamp)
        delta, at = _varint(data, at)
        record.offset = header.base_offset + delta
        record.key, at = _bytes(data, at)
        record.value, at = _bytes(data, at)
        count, at = _varint(data, at)
        if count < 0:
            raise WireError(f"{count} headers")
        for _ in range(count):
            name, at = _bytes(data, at)
            value, at = _bytes(data, at)
            if name is None:
                raise WireError("a header has no name")
            record.headers.append((name.decode(errors="backslashreplace"), value))
            if not _is_text(name):
                record.reason = f"the name of a header is not UTF-8: {name[:100]!r}"
        if at != len(data):
            raise WireError(f"{len(data) - at} bytes follow the headers")
    except WireError as error:
        record.reason = f"the record cannot be decoded: {error}"
    return record


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _bytes(data: memoryview, at: int) -> tuple[bytes | None, int]:
    length, at = _varint(data, at)
    if length < 0:
        return None, at
    if length > len(data) - at:
        raise WireError(f"a field of {length} bytes, where {len(data) - at} follow")
    return bytes(data[at : at + length]), at + length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A zigzag-encoded integer, and where the next field starts."""
    value = 0
    for index, byte in enumerate(data[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at + index + 1
    raise WireError("it ends within a number")
