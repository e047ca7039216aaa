"""Dead letters: they keep the original, and are sent back unchanged."""

from hashlib import sha256
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas.errors import WireError
from schemas.wire import MAX_BYTES
from streams.kafka.cluster import Cluster
from streams.kafka.messages import Message, Received
from streams.kafka.topics import DEAD_LETTERS, DOCUMENTS, RELEASES, SEGMENTS
from streams.kafka.writing.dead_letters import (
    LARGEST,
    altered_parts,
    dead_letter,
    origin_of,
    original_headers,
)
from streams.kafka.writing.sending_back import revived

_HEADERS = [("schema", b"segment/9"), ("trace", b"\xff\x00"), ("trace", b"again")]
_CLUSTER = Cluster({})
_RECEIVED = Received("segments", 3, 41, b"key", b"\x00\xffvalue", _HEADERS)
_SOURCES = (DOCUMENTS, SEGMENTS)
_KIP_1034 = {"exception", "message", "stacktrace", "topic", "partition", "offset"}


def _error(message: str = "schema 'segment/9'") -> ValueError:
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


def _arrived(letter: Message, offset: int = 0) -> Received:
    """The letter as a reader of the dead-letter topic receives it."""
    return Received(letter.topic, 0, offset, letter.key, letter.value, letter.headers)


def test_a_letter_has_the_headers_of_kip_1034() -> None:
    letter = dead_letter(_RECEIVED, "backward", _error())
    told = dict(letter.headers)
    assert {
        name.removeprefix("__streams.errors.")
        for name in told
        if name.startswith("__streams.errors.")
    } == _KIP_1034
    assert told["__streams.errors.exception"] == b"builtins.ValueError"
    assert told["__streams.errors.message"] == b"schema 'segment/9'"
    assert told["__streams.errors.topic"] == b"segments"
    assert told["__streams.errors.partition"] == b"3"
    assert told["__streams.errors.offset"] == b"41"
    assert told["backstream.stage"] == b"backward"
    trace = told["__streams.errors.stacktrace"].decode()
    assert trace.startswith("Traceback")
    assert "raise ValueError(message)" in trace


def test_a_letter_keeps_the_original_to_the_byte() -> None:
    letter = dead_letter(_RECEIVED, "backward", _error())
    assert (letter.topic, letter.key, letter.value) == (DEAD_LETTERS.name, b"key", b"\x00\xffvalue")
    assert list(letter.headers)[: len(_HEADERS)] == _HEADERS


@settings(deadline=None)
@given(
    key=st.none() | st.binary(max_size=20),
    value=st.none() | st.binary(max_size=20),
    headers=st.lists(st.tuples(st.text(max_size=10), st.binary(max_size=10)), max_size=4),
)
def test_a_revived_letter_is_the_original(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    assume(key is not None or value is not None)
    received = Received("segments", 1, 5, key, value, headers)
    back = revived(_CLUSTER, _arrived(dead_letter(received, "backward", _error())), _SOURCES)
    assert back == Message("segments", key, value, headers)


def test_a_message_that_dies_again_does_not_gather_headers() -> None:
    once = dead_letter(_RECEIVED, "backward", _error("first"))
    back = revived(_CLUSTER, _arrived(once), _SOURCES)
    again = dead_letter(
        Received(back.topic, 3, 99, back.key, back.value, back.headers),
        "backward",
        _error("second"),
    )
    assert [name for name, _ in again.headers] == [name for name, _ in once.headers]
    assert dict(again.headers)["__streams.errors.offset"] == b"99"
    assert dict(again.headers)["__streams.errors.message"] == b"second"
    # Also where a dead letter itself could not be processed.
    nested = dead_letter(_arrived(once, 7), "reader", _error("third"))
    assert [name for name, _ in nested.headers] == [name for name, _ in once.headers]
    assert dict(nested.headers)["__streams.errors.topic"] == b"dead-letters"
    assert original_headers(nested.headers) == _HEADERS


def test_a_record_that_cannot_be_read_has_no_trace() -> None:
    names = dict(dead_letter(_RECEIVED, "backward", WireError("no record")).headers)
    assert "__streams.errors.stacktrace" not in names
    assert names["__streams.errors.message"] == b"no record"


def test_long_errors_are_cut_and_odd_ones_written() -> None:
    told = dict(dead_letter(_RECEIVED, "backward", _error("x" * 1_000_000)).headers)
    assert len(told["__streams.errors.message"]) == 2_000
    assert len(told["__streams.errors.stacktrace"]) <= 16_000
    told = dict(dead_letter(_RECEIVED, "backward", ValueError("half a pair: \ud800")).headers)
    assert told["__streams.errors.message"] == b"half a pair: ?"
    assert (
        dict(dead_letter(_RECEIVED, "backward", ValueError()).headers)["__streams.errors.message"]
        == b""
    )


def test_a_message_that_is_no_letter_is_not_revived() -> None:
    with pytest.raises(WireError, match="do not say where it came from"):
        revived(_CLUSTER, _RECEIVED, _SOURCES)
    assert origin_of(_RECEIVED) is None


def test_what_is_no_source_of_a_stage_is_not_written_to() -> None:
    # A forged letter could otherwise deploy a release.
    letter = _arrived(dead_letter(_RECEIVED._replace(topic=RELEASES.name), "backward", _error()))
    with pytest.raises(WireError, match="'releases', which no stage of this deployment reads"):
        revived(_CLUSTER, letter, _SOURCES)


def test_a_cut_value_and_an_unreadable_letter_are_not_revived() -> None:
    letter = dead_letter(_RECEIVED, "backward", _error())
    cut = letter._replace(headers=[*letter.headers, ("backstream.value.sha256", b"00")])
    with pytest.raises(WireError, match=r"its value did not fit .* at segments/3@41"):
        revived(_CLUSTER, _arrived(cut), _SOURCES)
    with pytest.raises(WireError, match="cannot be read: header name"):
        revived(_CLUSTER, _arrived(letter)._replace(undecodable="header name"), _SOURCES)


_PARTS = st.one_of(st.none(), st.builds(bytes, st.sampled_from([0, 10, 3_000, 6_000_000])))


@given(
    key=_PARTS,
    value=_PARTS,
    headers=st.lists(
        st.tuples(st.sampled_from(["a", "\u00e9" * 2_000, "\udcff\ud800"]), _PARTS), max_size=3
    ),
    limit=st.sampled_from([4096, 100_000, LARGEST]),
)
def test_a_letter_fits_and_says_what_was_cut(
    key: bytes | None, value: bytes | None, headers: list[Any], limit: int
) -> None:
    letter = dead_letter(Received("s", 1, 5, key, value, headers), "backward", _error(), limit)
    size = DefaultRecordBatchBuilder.estimate_size_in_bytes(
        letter.key, letter.value, list(letter.headers)
    )
    assert size <= limit
    told = dict(letter.headers)
    for part, now, before in (("key", letter.key, key), ("value", letter.value, value)):
        assert (f"backstream.{part}.sha256" in told) == (now != before)
        if now != before:
            assert before is not None
            assert now is not None
            assert before.startswith(now)
            assert told[f"backstream.{part}.length"] == b"%d" % len(before)
            assert told[f"backstream.{part}.sha256"] == sha256(before).hexdigest().encode()
    kept = original_headers(letter.headers)
    assert ("backstream.headers.sha256" in told) == (kept != headers)
    assert set(altered_parts(_arrived(letter))) == {
        part for part in ("key", "value", "headers") if f"backstream.{part}.sha256" in told
    }
    assert origin_of(_arrived(letter)) == ("s", 1, 5)


def test_a_document_that_fitted_on_its_topic_is_mostly_kept() -> None:
    value = bytes(6_000_000)
    letter = dead_letter(_RECEIVED._replace(value=value), "backward", _error())
    assert letter.value is not None
    assert len(letter.value) > 5_000_000
    assert original_headers(letter.headers) == _HEADERS
    whole = bytes(MAX_BYTES)
    assert dead_letter(_RECEIVED._replace(value=whole), "backward", _error()).value == whole


def test_a_message_that_could_not_be_decoded_is_not_revived() -> None:
    letter = dead_letter(_RECEIVED._replace(undecodable="header name"), "backward", _error())
    assert dict(letter.headers)["backstream.undecodable"] == b"header name"
    with pytest.raises(WireError, match="could not decode"):
        revived(_CLUSTER, _arrived(letter), _SOURCES)


def test_a_message_without_key_and_value_is_not_revived() -> None:
    letter = dead_letter(_RECEIVED._replace(key=None, value=None), "backward", _error())
    with pytest.raises(WireError, match="neither a key nor a value"):
        revived(_CLUSTER, _arrived(letter), _SOURCES)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("__streams.errors.topic", b"\xff"),
        ("__streams.errors.topic", None),
        ("__streams.errors.topic", b"orders"),
        ("__streams.errors.partition", b"one"),
        ("__streams.errors.partition", b""),
        ("__streams.errors.partition", b"-1"),
        ("__streams.errors.partition", b"2147483648"),
        ("__streams.errors.offset", b"9223372036854775808"),
        ("__streams.errors.offset", b"9" * 5000),
        ("__streams.errors.offset", b"1_000"),
        ("__streams.errors.offset", None),
        ("__streams.errors.offset", b"1e3"),
        ("__streams.errors.offset", b"-1"),
        ("__streams.errors.offset", str(2**63).encode()),
        ("__streams.errors.partition", str(2**31).encode()),
    ],
)
def test_a_letter_whose_headers_make_no_sense_is_not_revived(
    header: str, value: bytes | None
) -> None:
    letter = dead_letter(_RECEIVED, "backward", _error())
    headers: list[Any] = [(name, value if name == header else it) for name, it in letter.headers]
    with pytest.raises(WireError):
        revived(_CLUSTER, _arrived(letter._replace(headers=headers)), _SOURCES)


def test_a_letter_goes_back_to_the_topic_of_its_own_prefix() -> None:
    received = _RECEIVED._replace(topic="a.segments")
    letter = _arrived(dead_letter(received, "backward", _error()))
    assert origin_of(letter) == ("a.segments", 3, 41)
    back = revived(Cluster({}, "a."), letter, _SOURCES)
    assert back.topic == "segments", "the writer adds the prefix"
    for other in (Cluster({}, "b."), _CLUSTER):
        with pytest.raises(WireError):
            revived(other, letter, _SOURCES)
