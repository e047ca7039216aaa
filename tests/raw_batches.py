"""Record batches byte by byte, for what no client's encoder writes."""

import struct
from collections.abc import Sequence

from aiokafka import codec as codecs
from aiokafka.record.util import calc_crc32c, encode_varint

CODECS = {
    "none": (0, bytes),
    "gzip": (1, codecs.gzip_encode),
    "snappy": (2, codecs.snappy_encode),
    "lz4": (3, codecs.lz4_encode),
    "zstd": (4, codecs.zstd_encode),
}
_HEADER = struct.Struct(">qiibIhiqqqhii")
_CRC_FROM = 21
TRANSACTIONAL, CONTROL = 0x10, 0x20
RawHeaders = Sequence[tuple[bytes | None, bytes | None]]


def varint(value: int) -> bytes:
    written = bytearray()
    encode_varint(value, written.append)
    return bytes(written)


def _field(data: bytes | None) -> bytes:
    return varint(-1) if data is None else varint(len(data)) + data


def raw_record(
    delta: int,
    key: bytes | None = None,
    value: bytes | None = None,
    headers: RawHeaders = (),
    length: int | None = None,
    timestamp: int = 0,
    header_count: int | None = None,
) -> bytes:
    """A record. ``length`` and ``header_count`` are what it says of itself."""
    body = b"\0" + varint(timestamp) + varint(delta) + _field(key) + _field(value)
    body += varint(len(headers) if header_count is None else header_count)
    body += b"".join(_field(name) + _field(data) for name, data in headers)
    return varint(len(body) if length is None else length) + body


def raw_batch(
    payload: bytes | Sequence[bytes],
    base: int = 0,
    codec: int = 0,
    attributes: int = 0,
    records: int | None = None,
    last_delta: int | None = None,
    producer: int = -1,
    crc: int | None = None,
    magic: int = 2,
) -> bytes:
    """A batch. Of a sequence of records the number is known; else ``records`` says it."""
    if not isinstance(payload, bytes):
        records = len(payload) if records is None else records
        payload = b"".join(payload)
    assert records is not None
    last = records - 1 if last_delta is None else last_delta
    fields = (base, len(payload) + _HEADER.size - 12, 7, magic, 0, codec | attributes, last)
    epochs = (producer, -1 if producer < 0 else 0, -1 if producer < 0 else 0)
    batch = bytearray(_HEADER.pack(*fields, 1, 2, *epochs, records) + payload)
    struct.pack_into(">I", batch, 17, checksum(batch) if crc is None else crc)
    return bytes(batch)


def checksum(batch: bytes | bytearray) -> int:
    return calc_crc32c(bytes(batch[_CRC_FROM:]))


def marker(base: int, producer: int, abort: bool) -> bytes:
    """The marker of a transaction's end."""
    key = struct.pack(">hh", 0, 0 if abort else 1)
    record = raw_record(0, key, struct.pack(">hi", 0, 0))
    return raw_batch([record], base, attributes=TRANSACTIONAL | CONTROL, producer=producer)
