"""What a fetch of a partition brings: record batches of every codec and format."""

import gzip
import struct
from pathlib import Path
from random import Random

import cramjam
import lz4.frame
import zstandard
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.util import calc_crc32c, encode_varint

from schemas.wire import header_map
from streams.kafka.messages import Received
from streams.kafka.reading.fetched import Fetched, Gap, Restart
from streams.kafka.reading.records import RecordReader
from tests.fuzz.messages import message
from tests.fuzz.mutation import damaged
from tests.fuzz.records import VALUES
from tests.fuzz.target import Parts

_HEADER = struct.Struct(">qiibIhiqqqhii")
_CRC_FROM = 21
_RECORDS = tuple(VALUES)
_CODECS = 5
_END = 200
"""The end of the partition: above every offset here."""


class FetchedBatches:
    """``Fetched``, on batches whose checksums are right, mostly."""

    share = 15

    def __init__(self, directory: Path) -> None:
        pass

    def make(self, random: Random) -> Parts:
        base = random.randrange(100)
        batches = []
        for _ in range(random.randrange(1, 4)):
            batch, count = _legacy(random, base) if random.random() < 0.1 else _batch(random, base)
            batches.append(batch)
            base += count + random.choice((0, 0, 3))
        data = b"".join(batches)
        if random.random() < 0.2:
            data = damaged(random, data, batches)
        return (data, b"%d" % random.randrange(10), random.choice((None, b"1", b"2")))

    def check(self, parts: Parts) -> None:
        data, start, producer = parts[0] or b"", parts[1] or b"", parts[2]
        position = int(start) if start.isdigit() else 0
        aborted = [] if producer is None else [(1, position)]
        suspects: dict[tuple[str, int], int] = {}
        reader = RecordReader()
        for _ in range(3):
            fetched = Fetched(
                ("documents", 0), data, position, _END, suspects, aborted, gaps=producer == b"2"
            )
            before = position - 1
            for each in fetched:
                assert each.offset > before, "offsets increase"
                before = each.offset
                if isinstance(each, Gap | Restart):
                    continue
                assert each.undecodable is None or each.offset < _END, "skips what is to come"
                assert each.undecodable or _is_whole(each), "neither whole nor said why"
                header_map(each.headers)
                reader.read_record(each, _RECORDS[each.offset % len(_RECORDS)])
            assert fetched.next_fetch_offset >= max(position, before + 1), "goes back"
            position = fetched.next_fetch_offset
            if position >= _END:
                return


def _is_whole(received: Received) -> bool:
    return all(
        isinstance(name, str) and (value is None or isinstance(value, bytes))
        for name, value in received.headers
    ) and all(isinstance(part, bytes | None) for part in (received.key, received.value))


def _batch(random: Random, base: int) -> tuple[bytes, int]:
    """A batch of today's format, and the number of its offsets."""
    count = random.randrange(1, 4)
    payload = b"".join(_record(random, at) for at in range(count))
    if random.random() < 0.4:
        payload = damaged(random, payload, [payload])
    codec = random.randrange(_CODECS)
    payload = _compressed(codec, payload)
    if random.random() < 0.1:
        payload = damaged(random, payload)
    if random.random() < 0.03:
        codec = random.choice((5, 6, 7))
    transactional, control = random.random() < 0.2, random.random() < 0.1
    attributes = codec | transactional << 4 | control << 5
    fields = [
        *(
            base,
            _HEADER.size - 12 + len(payload),
            0,
            2,
            0,
            attributes,
            count - 1,
            1_700_000_000_000,
        ),
        *(1_700_000_000_000, random.choice((-1, 1)), 0, 0, count),
    ]
    if random.random() < 0.1:
        at = random.choice((6, 7, 8, 12))
        # The broker checks the last offset.
        wide = {6: (), 12: (2**31 - 1,)}.get(at, (2**63 - 1, -(2**63)))
        fields[at] = random.choice((-1, 0, 5, *wide))
    if random.random() < 0.02:  # the checksum does not cover it
        fields[0] = random.choice((-1, 2**63 - 1, 2**62))
    made = bytearray(_HEADER.pack(*fields) + payload)
    made[_CRC_FROM - 4 : _CRC_FROM] = calc_crc32c(bytes(made[_CRC_FROM:])).to_bytes(4)
    return bytes(made), count


def _record(random: Random, delta: int) -> bytes:
    key, value, *headers = message(random, random.choice(_RECORDS))
    made = bytearray(b"\0")
    for number in (random.choice((0, 5, -1)), random.choice((delta, delta, delta, 2**40, -1))):
        encode_varint(number, made.append)
    for part in (key, value):
        _append(made, part)
    encode_varint(random.choice((len(headers) // 2,) * 20 + (-1, 2**40)), made.append)
    for part in headers:
        _append(made, part)
    length = bytearray()
    encode_varint(len(made) + random.choice((0,) * 20 + (1, -1, 2**40)), length.append)
    return bytes(length + made)


def _append(made: bytearray, part: bytes | None) -> None:
    encode_varint(-1 if part is None else len(part), made.append)
    made += part or b""


def _legacy(random: Random, base: int) -> tuple[bytes, int]:
    """A message set of a format before Kafka 0.11."""
    magic = random.randrange(2)
    builder = LegacyRecordBatchBuilder(magic, random.randrange(3 + magic), 1 << 20)
    count = random.randrange(1, 4)
    for at in range(count):
        key, value, *_ = message(random, random.choice(_RECORDS))
        builder.append(base + at, timestamp=1, key=key, value=value)
    return bytes(builder.build()), count


def _compressed(codec: int, payload: bytes) -> bytes:
    match codec:
        case 1:
            return gzip.compress(payload, 1, mtime=0)
        case 2:
            return bytes(cramjam.snappy.compress_raw(payload))
        case 3:
            return lz4.frame.compress(payload)
        case 4:
            return zstandard.ZstdCompressor(1).compress(payload)
        case _:
            return payload
