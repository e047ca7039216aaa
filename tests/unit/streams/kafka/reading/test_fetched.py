"""What a fetch brought, as messages: what the compiled decoder reads, and what it refuses."""

import struct
import tracemalloc
import zlib
from typing import Any

import pytest
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kafka.messages import Received
from streams.kafka.reading.fetched import MAX_BATCH_BYTES, Fetched, Gap
from streams.kafka.reading.record_batches import (
    HEADER_BYTES,
    BatchHeader,
    decompressed,
    read_records,
)
from tests.raw_batches import (
    CODECS,
    TRANSACTIONAL,
    checksum,
    marker,
    raw_batch,
    raw_record,
    varint,
)

_PLACE = ("t", 0)
_FIELD = st.none() | st.binary(max_size=40)
_RECORD = st.tuples(_FIELD, _FIELD, st.lists(st.tuples(st.text(max_size=5), _FIELD), max_size=3))
_BAD_NAME = [(b"\xff\xfename", b"x")]


def _read(data: bytes, position: int = 0, **options: Any) -> list[Any]:
    suspects: dict[tuple[str, int], int] = {}
    end = options.pop("end", 1000)
    found: list[Any] = []
    for _ in range(3):  # where a checksum is wrong, the rest is fetched again
        fetched = Fetched(_PLACE, data, position, end, suspects, **options)
        found += fetched
        position = fetched.next_fetch_offset
    return found


def _good(delta: int) -> bytes:
    return raw_record(delta, b"k%d" % delta, b"v", [(b"a", b"1"), (b"a", None)])


def _expected(offset: int, delta: int | None = None) -> Received:
    key = b"k%d" % (offset if delta is None else delta)
    headers: Any = [("a", b"1"), ("a", None)]
    return Received("t", 0, offset, key, b"v", headers, timestamp_ms=1)  # as of raw_batch


@given(records=st.lists(_RECORD, min_size=1, max_size=8), codec=st.sampled_from(sorted(CODECS)))
def test_what_a_client_encoded_is_read_as_its_decoder_reads_it(records: Any, codec: str) -> None:
    builder = DefaultRecordBatchBuilder(2, CODECS[codec][0], 0, -1, -1, -1, 1 << 20)
    for delta, (key, value, headers) in enumerate(records):
        builder.append(delta, 1, key, value, headers)
    batch = bytes(builder.build())

    found = _read(batch)

    stock = [(r.offset, r.key, r.value, r.headers) for r in DefaultRecordBatch(batch)]
    assert [(r.offset, r.key, r.value, r.headers) for r in found] == stock
    assert all(r.undecodable is None for r in found)
    plain, whole = decompressed(memoryview(batch), 1 << 20) if codec != "none" else (batch, True)
    assert whole
    raw = list(read_records(BatchHeader.read(memoryview(batch)), memoryview(plain)[HEADER_BYTES:]))
    assert [(r.offset, r.key, r.value, r.headers) for r in raw] == stock
    assert all(r.reason is None for r in raw)


MALFORMED = {
    "a header name that is not UTF-8": (
        raw_record(1, b"k", b"v", [(b"good", b"1"), *_BAD_NAME]),
        (b"k", b"v", [("good", b"1"), ("\\xff\\xfename", b"x")]),
        "not UTF-8",
    ),
    "a header without a name": (
        raw_record(1, b"k", b"v", [(None, b"1")]),
        (b"k", b"v", []),
        "a header has no name",
    ),
    "more headers than there are": (
        raw_record(1, b"k", b"v", [(b"a", b"1")], header_count=2**40),
        (b"k", b"v", [("a", b"1")]),
        "ends within a number",
    ),
    "fewer headers than none": (
        raw_record(1, b"k", b"v", header_count=-1),
        (b"k", b"v", []),
        "-1 headers",
    ),
    "bytes after the headers": (
        raw_record(1, b"k", b"v", [(b"a", b"1")], header_count=0),
        (b"k", b"v", []),
        "4 bytes follow",
    ),
    "a key longer than the record": (
        varint(6) + b"\0" + varint(0) + varint(1) + varint(1000) + b"k",
        (None, None, []),
        "a field of 1000 bytes",
    ),
    "an endless number": (
        varint(13) + b"\0" + varint(0) + b"\xff" * 11,
        (None, None, []),
        "ends within a number",
    ),
    "nothing": (varint(0), (None, None, []), "ends within a number"),
    "an offset before": (raw_record(0, b"k", b"v"), (b"k", b"v", []), "its offset is"),
    "an offset beyond": (raw_record(2**31, b"k", b"v"), (b"k", b"v", []), "its offset is"),
}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_record_keeps_its_place_among_the_others(kind: str, codec: str) -> None:
    record, (key, value, headers), reason = MALFORMED[kind]
    number, encode = CODECS[codec]
    payload = encode(_good(0) + record + _good(2))
    found = _read(raw_batch(payload, 40, number, records=3) + raw_batch([_good(0)], 43))
    assert [found[0], *found[2:]] == [_expected(40, 0), _expected(42, 2), _expected(43, 0)]
    bad = found[1]
    assert (bad.offset, bad.key, bad.value, list(bad.headers)) == (41, key, value, headers)
    assert reason in bad.undecodable


@pytest.mark.parametrize(("attributes", "expected"), [(0, 1 + 5), (0x08, 2)])
def test_the_time_is_the_writers_or_the_brokers(attributes: int, expected: int) -> None:
    bad = raw_record(1, b"k", b"v", _BAD_NAME, timestamp=5)
    records = [raw_record(0, b"k", b"v", timestamp=5), bad, raw_record(2, b"k", timestamp=5)]
    found = _read(raw_batch(records, attributes=attributes))
    assert [received.timestamp_ms for received in found] == [expected] * 3


UNREADABLE = {
    "no such codec": (raw_batch([_good(0), _good(1), _good(2)], 5, codec=6), "codec 6"),
    "no gzip": (raw_batch(b"hello", 5, codec=1, records=3), "the gzip payload"),
    "no snappy": (raw_batch(b"\xff\xff\xff\xff\xff hello", 5, codec=2, records=3), "the snappy"),
    "no lz4": (raw_batch(b"hello", 5, codec=3, records=3), "the lz4 payload"),
    "no zstd": (raw_batch(b"hello", 5, codec=4, records=3), "the zstd payload"),
    "cut gzip": (raw_batch(gzip_encode(_good(0) * 3)[:-9], 5, codec=1, records=3), "cut short"),
    "cut lz4": (raw_batch(lz4_encode(_good(0) * 3)[:-9], 5, codec=3, records=3), "the lz4 payload"),
    "a snappy block that lies": (
        raw_batch(snappy_encode(b"x")[:16] + b"\0\0\x03\xe8x", 5, codec=2, records=3),
        "the snappy payload",
    ),
    "a first record that is too long": (
        raw_batch([raw_record(0, b"k", b"v", length=10_000)], 5, records=3),
        "a record of 10000 bytes",
    ),
    "a negative length": (raw_batch([raw_record(0, length=-5)], 5, records=3), "of -5 bytes"),
    "no records": (raw_batch(b"", 5, records=3), "ends within a number"),
    "a wrong checksum": (raw_batch([_good(0), _good(1), _good(2)], 5, crc=1), "checksum"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_an_unreadable_batch_is_one_message(kind: str) -> None:
    batch, reason = UNREADABLE[kind]
    found = _read(raw_batch([_good(0)], 4) + batch + raw_batch([_good(0)], 8))
    assert [found[0], found[2]] == [_expected(4, 0), _expected(8, 0)]
    assert found[1][:5] == ("t", 0, 7, None, None)
    assert "the records from offset 5 to 7 cannot be decoded" in found[1].undecodable
    assert reason in found[1].undecodable
    assert len(found) == 3


def test_what_follows_a_record_whose_length_lies_is_one_message() -> None:
    cut = raw_batch([_good(0), raw_record(1, length=10_000), _good(2)], 5)
    found = _read(cut + raw_batch([_good(0)], 8))
    assert [found[0], found[2]] == [_expected(5, 0), _expected(8, 0)]
    assert (found[1].offset, len(found)) == (7, 3)
    assert "from offset 6 to 7" in found[1].undecodable


def test_a_batch_is_read_on_from_its_middle() -> None:
    records = [_good(0), raw_record(1, b"k", b"v", _BAD_NAME), _good(2)]
    batch = raw_batch(records, 10)
    assert [r.offset for r in _read(batch, 11)] == [11, 12]
    assert [r.offset for r in _read(batch, 12)] == [12]
    twice = raw_batch([_good(1), _good(1), _good(4)], 10, last_delta=6)
    assert [(r.offset, r.undecodable is None) for r in _read(twice)] == [
        (11, True),
        (12, False),
        (14, True),
    ]
    compacted = raw_batch([_good(1), _good(4)], 10, last_delta=6)
    fetched = Fetched(_PLACE, compacted, 10, 100, {})
    assert [r.offset for r in fetched] == [11, 14]
    assert fetched.next_fetch_offset == 17


def test_a_damaged_batch_is_fetched_again_and_skips_no_other() -> None:
    good = [_good(0), _good(1)]
    damaged = bytearray(raw_batch(good, 5))
    damaged[-1] ^= 1
    suspects: dict[tuple[str, int], int] = {}
    data = raw_batch([_good(0)], 4) + bytes(damaged)
    first = Fetched(_PLACE, data, 4, 7, suspects)
    assert list(first) == [_expected(4, 0)]
    assert first.next_fetch_offset == 5
    healed = Fetched(_PLACE, raw_batch(good, 5), 5, 7, suspects)
    assert list(healed) == [_expected(5, 0), _expected(6, 1)]

    (found,) = _read(bytes(damaged), 5, end=7)
    assert (found.offset, "from offset 5 to 6" in found.undecodable) == (6, True)
    # Where the header may be what is damaged, no more than one offset is taken from it.
    struct.pack_into(">i", damaged, 23, 1_000_000)
    (found,) = _read(bytes(damaged), 5, end=7)
    assert found.offset == 5


def test_nothing_is_skipped_by_an_offset_after_the_end() -> None:
    # The checksum does not cover the offset of a batch.
    lost = raw_batch([_good(0)], 2**62)
    (found,) = _read(lost, 5, end=7)
    assert (found.offset, found.undecodable is None) == (5, False)
    damaged = bytearray(raw_batch([_good(0)], 5))
    damaged[-1] ^= 1
    found, *_ = _read(bytes(damaged) + lost, 5, end=7)
    assert found.offset == 6


def test_what_follows_a_damaged_batch_may_be_cut() -> None:
    damaged = bytearray(raw_batch([_good(0)], 5))
    damaged[-1] ^= 1
    cut = struct.pack(">qi", 6, 5) + bytes(5)
    (found, *_) = _read(bytes(damaged) + cut, 5, end=7)
    assert found.offset == 5


@pytest.mark.parametrize("size", [1000, -5])
def test_a_cut_message_of_an_older_format_is_undecodable(size: int) -> None:
    builder = LegacyRecordBatchBuilder(1, 0, 1 << 20)
    builder.append(0, 1, b"k", b"v" * 100)
    batch = bytearray(builder.build())
    struct.pack_into(">i", batch, 26, size)  # length of the key
    (found,) = _read(bytes(batch), end=1)
    assert (found.offset, found.undecodable is None) == (0, False)


def test_an_unknown_format_is_undecodable() -> None:
    found = _read(raw_batch([_good(0)], 5, magic=3) + raw_batch([_good(0)], 6))
    assert [(r.offset, r.undecodable is None) for r in found] == [(5, False), (6, True)]


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", [0, 1, 2])
def test_messages_of_older_formats_are_read(magic: int, codec: int) -> None:
    builder = LegacyRecordBatchBuilder(magic, codec, 1 << 20)
    for offset in range(3):
        builder.append(offset, 1, b"k%d" % offset, b"v")
    found = _read(bytes(builder.build()))
    assert [(r.offset, r.key, r.value, r.undecodable) for r in found] == [
        (offset, b"k%d" % offset, b"v", None) for offset in range(3)
    ]
    assert [r.timestamp_ms for r in found] == [1 if magic else None] * 3


def test_a_compressed_message_of_an_older_format_may_be_unreadable() -> None:
    builder = LegacyRecordBatchBuilder(1, 1, 1 << 20)
    builder.append(0, 1, b"k", b"v" * 100)
    batch = bytearray(builder.build())
    at = batch.index(b"\x1f\x8b")
    batch[at : at + 2] = b"no"
    struct.pack_into(">I", batch, 12, zlib.crc32(batch[16:]))
    (found,) = _read(bytes(batch))
    assert (found.offset, found.value) == (0, None)
    assert "gzip" in found.undecodable


def _bomb(codec: str, size: int) -> bytes:
    """A batch of three records: the first is good, the second is ``size`` zeros."""
    number, encode = CODECS[codec]
    return raw_batch(
        encode(_good(0) + raw_record(1, b"large", bytes(size)) + _good(2)), 0, number, records=3
    )


@pytest.mark.parametrize("codec", sorted(set(CODECS) - {"none"}))
def test_a_bomb_is_undecodable_from_where_it_is_too_large(codec: str) -> None:
    bomb = _bomb(codec, 5 * MAX_BATCH_BYTES // 4) + raw_batch([_good(0)], 3)
    tracemalloc.start()
    try:
        found = _read(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2.2 * MAX_BATCH_BYTES
    assert [found[0], found[2]] == [_expected(0), _expected(3, 0)]
    assert (found[1].offset, found[1].key, found[1].value) == (2, b"large", None)
    assert f"more than {MAX_BATCH_BYTES}" in found[1].undecodable


def test_a_batch_of_fifty_megabytes_is_a_message() -> None:
    found = _read(_bomb("gzip", 50_000_000))
    assert [len(r.value or b"") for r in found] == [1, 50_000_000, 1]
    assert all(r.undecodable is None for r in found)


def test_one_fetch_is_not_decompressed_without_end() -> None:
    record = zstd_encode(raw_record(0, None, bytes(10_000_000)))
    data = b"".join(raw_batch(record, base, 4, records=1) for base in range(20))
    offsets: list[int] = []
    fetches = 0
    while len(offsets) < 20:
        fetched = Fetched(_PLACE, data, len(offsets), 20, {})
        offsets += [r.offset for r in fetched]
        assert fetched.next_fetch_offset == len(offsets)
        fetches += 1
    assert offsets == list(range(20))
    assert fetches == 10


def test_aborted_transactions_are_skipped() -> None:
    def written(base: int, producer: int) -> bytes:
        return raw_batch([_good(0)], base, attributes=TRANSACTIONAL, producer=producer)

    data = b"".join(
        [
            written(0, 1),
            written(1, 2),
            raw_batch([_good(0)], 2),
            marker(3, 1, abort=True),
            written(4, 1),
            marker(5, 2, abort=False),
            marker(6, 1, abort=False),
        ]
    )
    fetched = Fetched(_PLACE, data, 0, 7, {}, aborted=[(1, 0)], gaps=True)
    assert list(fetched) == [_expected(1, 0), _expected(2, 0), _expected(4, 0), Gap(6)]
    assert fetched.next_fetch_offset == 7
    uncommitted = [r.offset for r in Fetched(_PLACE, data, 0, 7, {})]
    assert uncommitted == [0, 1, 2, 4], "markers are never messages"
    assert list(Fetched(_PLACE, data, 3, 7, {}, aborted=[(1, 0)], gaps=True)) == [
        _expected(4, 0),
        Gap(6),
    ]
    assert list(Fetched(_PLACE, marker(3, 1, abort=True), 3, 7, {}, aborted=[], gaps=True)) == [
        Gap(3)
    ]
    assert list(Fetched(_PLACE, b"", 3, 7, {}, aborted=[], gaps=True)) == []


@settings(max_examples=400)
@given(data=st.data(), codec=st.sampled_from(sorted(CODECS)))
def test_no_bytes_stop_it(data: st.DataObject, codec: str) -> None:
    number, encode = CODECS[codec]
    payload = bytearray(encode(b"".join(_good(delta) for delta in range(4))))
    for _ in range(data.draw(st.integers(0, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    payload = payload[: data.draw(st.integers(0, len(payload)) | st.just(len(payload)))]
    records, last = data.draw(st.sampled_from([(4, 3), (3, 3), (5, 3), (4, 9), (0, 0), (-1, -1)]))
    batch = raw_batch(bytes(payload), 10, number, records=records, last_delta=last)
    found = _read(batch + raw_batch([_good(0)], 10 + max(last, 0) + 1), 10)
    offsets = [r.offset for r in found]
    assert offsets == sorted(set(offsets))
    assert all(offset >= 10 for offset in offsets)
    assert found[-1].offset == 10 + max(last, 0) + 1
    assert found[-1].undecodable is None


@given(st.binary(max_size=200))
def test_no_bytes_at_all_stop_it(data: bytes) -> None:
    _read(data)
    if len(data) > HEADER_BYTES:
        made = bytearray(data)
        struct.pack_into(">i", made, 8, len(made) - 12)
        made[16] = 2
        struct.pack_into(">I", made, 17, checksum(made))
        _read(bytes(made), int.from_bytes(data[:8], "big", signed=True))
