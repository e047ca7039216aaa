"""Messages as records: what cannot be read is counted and logged once, and never raises."""

import logging
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.record import Record
from schemas.records import RECORDS, Document, Example, ExampleOrigin, Segment
from schemas.wire import encode, headers_for
from streams.kafka.messages import Received
from streams.kafka.reading.records import Entry, RecordReader

_EXAMPLE = Example(id="a", instruction="Why?", response="So.", origin=ExampleOrigin.SEED)
_VALUE, _HEADERS = encode(_EXAMPLE), headers_for(Example)


def _received(
    value: bytes | None, key: bytes | None = b"a", headers: Any = _HEADERS, offset: int = 0
) -> Received:
    return Received("p.curated", 0, offset, key, value, headers)


@pytest.fixture
def counted() -> list[str]:
    return []


@pytest.fixture
def reader(counted: list[str]) -> RecordReader:
    return RecordReader(counted.append)


def test_what_can_be_read_is_read(reader: RecordReader, counted: list[str]) -> None:
    assert reader.read_record(_received(_VALUE), Example) == _EXAMPLE
    assert reader.read_record(_received(_VALUE, b"\xff"), Example) == _EXAMPLE
    assert reader.read_entry(_received(_VALUE), Example) == Entry("a", _EXAMPLE)
    assert reader.read_entry(_received(None, b"gone"), Example) == Entry("gone", None)
    assert counted == []


def test_documents_may_be_any_producers_text(reader: RecordReader) -> None:
    found = reader.read_record(_received(b"Some text.", b"key", []), Document)
    assert found is not None
    assert (found.text, found.source) == ("Some text.", "key")
    found = reader.read_record(_received(b"Some text.", b"\xff", []), Document)
    assert found is not None
    assert found.source == "\\xff", "a file's name need not be UTF-8"


@pytest.mark.parametrize("key", [b"\xff", b"", None])
@pytest.mark.parametrize("value", [None, _VALUE])
def test_an_entry_needs_a_key(
    key: bytes | None, value: bytes | None, reader: RecordReader, counted: list[str]
) -> None:
    assert reader.read_entry(_received(value, key), Example) is None
    assert counted == ["curated"]


def test_what_is_unreadable_is_counted_and_logged_once(
    reader: RecordReader, counted: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    bad = [_received(b"no example", offset=offset) for offset in (3, 7)]
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            for message in bad:
                assert reader.read_entry(message, Example) is None
                assert reader.read_record(message, Example) is None
    assert counted == ["curated", "curated"]
    assert [record.getMessage().split(" ")[0] for record in caplog.records] == [
        "p.curated/0@3",
        "p.curated/0@7",
    ]
    assert reader.read_record(_received(b"no example")._replace(partition=1), Example) is None
    assert len(counted) == 3, "each partition counts for itself"


def test_what_the_client_could_not_decode_is_passed_over(
    reader: RecordReader, counted: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    readable = _received(_VALUE)._replace(undecodable="a header's name is not UTF-8")
    assert reader.read_record(readable, Example) is None
    assert reader.read_entry(readable._replace(offset=1), Example) is None
    tombstone = _received(None)._replace(offset=2, undecodable="the record is cut short")
    assert reader.read_entry(tombstone, Example) is None, "nothing is retracted by it"
    assert counted == ["curated"] * 3
    assert "a header's name is not UTF-8" in caplog.text


@given(
    data=st.none()
    | st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=10), inner),
    ).map(msgpack.packb),
    key=st.none() | st.binary(max_size=4),
    headers=st.lists(
        st.tuples(
            st.sampled_from(["schema", "content-type", "source", "x"]),
            st.none()
            | st.binary(max_size=8)
            | st.sampled_from([b"application/json", b"text/plain; charset=utf-7"]),
        ),
        max_size=3,
    ),
    record=st.sampled_from(RECORDS),
)
def test_no_message_raises(
    data: bytes | None, key: bytes | None, headers: Any, record: type[Record]
) -> None:
    reader = RecordReader()
    reader.read_record(_received(data, key, headers), record)
    reader.read_entry(_received(data, key, headers), record)


def test_a_record_of_another_type_is_unreadable(reader: RecordReader, counted: list[str]) -> None:
    assert reader.read_record(_received(_VALUE), Segment) is None
    assert counted == ["segments"]
