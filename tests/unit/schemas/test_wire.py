"""The wire: records survive a round trip, and any other bytes are a WireError."""

import contextlib
import json
import tracemalloc
from typing import Any

import msgpack
import pytest
import webencodings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import WireError
from schemas.ids import document_id
from schemas.record import Record
from schemas.records import (
    RECORDS,
    Alternative,
    Bootstrap,
    Candidate,
    Decision,
    Document,
    Example,
    ExampleOrigin,
    Exemplar,
    HumanRating,
    Offset,
    Original,
    Preference,
    Provenance,
    Question,
    Rating,
    Rejection,
    Scored,
    Segment,
    Side,
    Turn,
)
from schemas.release import Release, ReleaseStatus
from schemas.ruling import Ruling, Texts
from schemas.wire import (
    JSON,
    MAX_BYTES,
    MSGPACK,
    decode,
    decode_document,
    encode,
    header_map,
    headers_for,
    is_converted,
)
from tests.unit.made_files import archive

_text = st.text(max_size=40)  # any code point but surrogates, which are not text
_some = st.text(min_size=1, max_size=40)
_ids = st.text(min_size=1, max_size=64)
_maybe = st.none() | _text
_counts = st.integers(0, 2**63 - 1)
_shares = st.floats(0, 1)
_offsets = st.none() | st.builds(Offset, topic=_text, partition=_counts, offset=_counts)
_headings = st.lists(_text, max_size=4).map(tuple)
_turns = st.lists(_some, max_size=2).map(
    lambda texts: tuple(
        Turn(role=role, text=text) for text in texts for role in ("user", "assistant")
    )
)
_exemplars = st.builds(
    Exemplar,
    id=_ids,
    instruction=_some,
    context=_maybe,
    response=_some,
    classification=st.booleans(),
)
_ratings = st.builds(
    Rating,
    score=st.floats(1, 5),
    probabilities=st.tuples(_shares, _shares, _shares, _shares, _shares),
    digit_mass=_shares,
    release=_text,
    template=_text,
    reason=_maybe,
    term=_counts,
)
_originals = st.builds(
    Original, id=_ids, response=_some, rating=_ratings, release=_text, template=_text
)
_provenances = st.builds(
    Provenance,
    source=_text,
    document_id=_text,
    document_at=_offsets,
    segment_id=_text,
    headings=_headings,
    release=_text,
    template=_text,
    sample=_counts,
    original=st.none() | _originals,
)
_alternatives = st.builds(
    Alternative,
    id=_ids,
    instruction=_some,
    rating=_ratings,
    provenance=_provenances,
    response=st.none() | _some,
)
_sides = st.builds(Side, id=_ids, text=_some, rating=_ratings, provenance=_provenances)
_rulings = st.builds(
    Ruling,
    action=st.sampled_from(("accept", "drop", "edit", "undo")),
    by=_text,
    at=st.floats(0, 2e9),
    note=_text,
    texts=st.none() | st.builds(Texts, instruction=_some, context=_maybe, response=_some),
    order=_counts,
)
_candidates = st.builds(
    Candidate, id=_ids, instruction=_some, context=_maybe, response=_some, provenance=_provenances
)
_metrics = st.dictionaries(_text, st.floats(allow_nan=False), max_size=3)
_records: dict[type[Record], st.SearchStrategy[Record]] = {
    Document: st.builds(
        Document, id=_ids, source=_text, text=_some, media_type=_text, title=_maybe, context=_maybe
    ),
    Segment: st.builds(
        Segment,
        id=_ids,
        document_id=_ids,
        source=_text,
        document_at=_offsets,
        position=_counts,
        headings=_headings,
        text=_some,
        context=_maybe,
        turns=_turns,
    ),
    Bootstrap: st.builds(
        Bootstrap,
        id=_ids,
        exemplars=st.lists(_exemplars, min_size=1, max_size=8).map(tuple),
        source=_text,
    ),
    Question: st.builds(
        Question,
        id=_ids,
        instruction=_some,
        context=_maybe,
        turns=_turns,
        category=_maybe,
        source=_text,
    ),
    Candidate: _candidates,
    Decision: st.builds(
        Decision, candidate=_candidates, rating=st.none() | _ratings, ruling=_rulings
    ),
    Scored: st.builds(Scored, candidate=_candidates, rating=_ratings, ruling=st.none() | _rulings),
    Example: st.builds(
        Example,
        id=_ids,
        instruction=_some,
        context=_maybe,
        response=_some,
        turns=_turns,
        category=_maybe,
        confidence=st.none() | _shares,
        origin=st.sampled_from(ExampleOrigin),
        rating=st.none() | _ratings,
        provenance=_provenances,
        alternatives=st.lists(_alternatives, max_size=2).map(tuple),
        ruling=st.none() | _rulings,
    ),
    Preference: st.builds(
        Preference,
        id=_ids,
        example_id=_ids,
        task=st.sampled_from(("forward", "backward")),
        prompt=_some,
        context=_maybe,
        turns=_turns,
        headings=_headings,
        chosen=_sides,
        rejected=_sides,
        margin=st.floats(0, 4),
    ),
    HumanRating: st.builds(
        HumanRating,
        id=_ids,
        instruction=_some,
        context=_maybe,
        response=_some,
        turns=_turns,
        score=st.integers(1, 5),
        rater=_text,
        at=st.floats(allow_nan=False, allow_infinity=False),
    ),
    Rejection: st.builds(
        Rejection,
        id=_ids,
        stage=_text,
        reason=_text,
        detail=_text,
        document_id=_text,
        segment_id=_text,
        release=_text,
        score=st.none() | st.floats(allow_nan=False),
    ),
    Release: st.builds(
        Release,
        id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True),
        parent=_maybe,
        base=_text,
        status=st.sampled_from(ReleaseStatus),
        location=_text.filter(lambda text: "\0" not in text),
        created_at=st.floats(0, 1e12),
        metrics=_metrics,
        parent_metrics=_metrics,
        examples=_counts,
        seeds=_counts,
    ),
}
_SEGMENT = Segment(id="s", document_id="d", source="test", position=0, text="A passage.")
_RELEASE = Release(
    id="r", parent=None, base="b", status=ReleaseStatus.KEPT, location="x", created_at=1
)
_RATING = Rating(
    score=4.5, probabilities=(0, 0, 0, 0.5, 0.5), release="r", template="rating.markers.1"
)


def _headers(
    content_type: str | None = None, schema: str | None = None, **more: bytes | None
) -> dict[str, bytes]:
    told = {
        "content-type": None if content_type is None else content_type.encode(),
        "schema": None if schema is None else schema.encode(),
        **more,
    }
    return {name: value for name, value in told.items() if value is not None}


def test_every_record_is_tried() -> None:
    assert tuple(_records) == RECORDS


@pytest.mark.parametrize("content_type", [MSGPACK, JSON])
@pytest.mark.parametrize("type_", RECORDS, ids=lambda type_: type_.name)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_record_comes_back_as_it_went(
    type_: type[Record], content_type: str, data: st.DataObject
) -> None:
    record = data.draw(_records[type_])
    assert (
        decode(type_, encode(record, content_type), header_map(headers_for(type_, content_type)))
        == record
    )


def test_headers_name_the_record_its_version_and_the_form() -> None:
    assert headers_for(Segment) == [
        ("schema", b"segment/1"),
        ("content-type", b"application/msgpack"),
    ]
    assert headers_for(Segment, JSON)[1] == ("content-type", b"application/json")


def test_msgpack_is_assumed_where_no_header_tells() -> None:
    assert decode(Segment, encode(_SEGMENT), {}) == _SEGMENT


def test_metrics_that_are_not_numbers_survive_in_a_release() -> None:
    release = Release(
        id="r",
        parent=None,
        base="b",
        status=ReleaseStatus.KEPT,
        location="x",
        created_at=1,
        metrics={"a": float("inf")},
    )
    for content_type in (MSGPACK, JSON):
        assert decode(Release, encode(release, content_type), _headers(content_type)) == release


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_rating_that_is_no_number_is_refused(bad: float) -> None:
    # As JSON it would be null, which readers refuse.
    scored = {
        "candidate": {"id": "c", "instruction": "i", "response": "r", "provenance": {}},
        "rating": _RATING.model_dump(),
    }
    scored["rating"]["probabilities"] = (bad, 0, 0, 0, 1)
    with pytest.raises(WireError, match=r"rating\.probabilities\.0"):
        decode(Scored, msgpack.packb(scored), {})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("announced_at", float("inf")),
        ("announced_at", float("-inf")),
        ("announced_at", float("nan")),
        ("announced_at", -1.0),
        ("announced_at", 1e18),
        ("created_at", float("nan")),
        ("location", "/models/\0"),
    ],
)
def test_a_release_that_could_not_be_used_is_refused(field: str, value: object) -> None:
    data = msgpack.packb({**_RELEASE.model_dump(mode="json"), field: value})
    with pytest.raises(WireError, match=field):
        decode(Release, data, {})


@pytest.mark.parametrize("term", [2**63, -1])
def test_a_term_beyond_64_bits_is_refused(term: int) -> None:
    value = {"candidate": {"id": "c", "instruction": "i", "response": "r", "provenance": {}}}
    rating = {**_RATING.model_dump(), "term": term}
    with pytest.raises(WireError, match=r"rating\.term"):
        decode(Scored, msgpack.packb({**value, "rating": rating}), {})


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (rb'{"text": "half \ud800"}', "half \ufffd"),
        ('{"text": "half \\udfff"}'.encode("utf-16"), "half \ufffd"),
        (rb'{"text": "zero \u0000"}', "zero \ufffd"),
        (b'{"text": "zero \0"}', "zero \ufffd"),
        (b'{"text": "byte \xe9"}', "byte \ufffd"),
        (b'\xef\xbb\xbf{"text": "mark"}', "mark"),
        (rb'{"text": "\ufeffmark"}', "mark"),
        ('{"text": "without a mark"}'.encode("utf-16-le"), "without a mark"),
    ],
)
def test_what_is_no_character_in_json_is_replaced(data: bytes, text: str) -> None:
    document = decode_document(data, _headers(JSON))
    assert (document.text, document.id) == (text, document_id("", text))
    with pytest.raises(WireError):
        decode(Segment, data, _headers(JSON))


def test_ids_in_which_something_is_no_character_stay_different() -> None:
    bad = (rb"a\ud800", rb"a\ud801", rb"a\u0000", b"a\xe8", b"a\xe9")
    ids = {
        decode_document(b'{"id": "%b", "text": "text %d"}' % (id, number), _headers(JSON)).id
        for number, id in enumerate(bad)
    }
    assert ids == {document_id("", f"text {number}") for number in range(len(bad))}


def test_half_of_a_surrogate_pair_is_no_text_of_a_record() -> None:
    data = rb'{"id": "s", "document_id": "d", "source": "", "position": 0, "text": "\ud800"}'
    with pytest.raises(WireError, match="not readable as JSON"):
        decode(Segment, data, _headers(JSON))


def test_a_surrogate_pair_in_json_is_text() -> None:
    document = decode_document(rb'{"text": "\ud83d\ude00"}', _headers(JSON))
    assert document.text == "\U0001f600"


@pytest.mark.parametrize("content_type", [MSGPACK, JSON])
def test_unknown_fields_of_a_newer_writer_are_dropped(content_type: str) -> None:
    value = {
        **_SEGMENT.model_dump(mode="json"),
        "colour": "green",
        "document_at": {"topic": "t", "partition": 0, "offset": 1, "x": 2},
    }
    data = msgpack.packb(value) if content_type == MSGPACK else json.dumps(value).encode()
    read = decode(Segment, data, header_map(headers_for(Segment, content_type)))
    assert read == _SEGMENT.model_copy(
        update={"document_at": Offset(topic="t", partition=0, offset=1)}
    )
    assert not hasattr(read, "colour")


@pytest.mark.parametrize(
    "schema",
    ["segment/2", "segment/0", "segment", "segment/01", "document/1", "", "\xff", "segment/1 "],
)
def test_another_schema_or_version_is_refused(schema: str) -> None:
    with pytest.raises(WireError, match="segment/1"):
        decode(Segment, encode(_SEGMENT), {"schema": schema.encode("latin-1")})


def test_null_is_refused() -> None:
    with pytest.raises(WireError, match="null value where a segment"):
        decode(Segment, None, {})
    with pytest.raises(WireError, match="null value where a document"):
        decode_document(None, {})
    with pytest.raises(WireError, match="null value where a document"):
        decode_document(None, _headers("text/html"))


@pytest.mark.parametrize("content_type", [MSGPACK, JSON])
def test_every_truncation_is_refused(content_type: str) -> None:
    data = encode(_SEGMENT, content_type)
    for length in range(len(data)):
        with pytest.raises(WireError):
            decode(Segment, data[:length], _headers(content_type))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",  # the one byte that msgpack never uses
        b"\xdd\xff\xff\xff\xff",  # an array of four billion
        b"\xdf\xff\xff\xff\xff",  # a map of four billion
        b"\xdb\xff\xff\xff\xff",  # a string
        b"\xc9\x7f\xff\xff\xff\x05",  # an extension
        b"\xd6\xff\x00\x00\x00\x00",  # a time stamp, which no record has
        b"\x91" * 100_000,  # deep nesting
        b"\x81\xa1a" * 100_000,
        b"\xa1\xff",  # a string that is not UTF-8
        b"\x81\xc0\x01",  # a key that is not a string
        b"\x81\x90\x01",
        encode(_SEGMENT) + b"\x00",  # trailing bytes
        msgpack.packb([1, 2]),
        msgpack.packb(None),
        msgpack.packb("segment"),
    ],
    ids=lambda data: data[:4].hex() or "empty",
)
def test_hostile_msgpack_is_refused(data: bytes) -> None:
    with pytest.raises(WireError, match=r"msgpack: .+|not a valid segment: .+"):
        decode(Segment, data, {})


def test_hostile_msgpack_takes_little_memory() -> None:
    data = b"\xdd\x00\x01\x86\xa0" * 500_000  # arrays of 100,000 in arrays of 100,000
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            decode(Segment, data, {})
        assert tracemalloc.get_traced_memory()[1] < 256 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[1]",
        b"NaN",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 6_000,  # more digits than Python converts
        b'{"id": "s"}',
        b"\xff\xfe\xfa",
        b'{"id": "s", "document_id": "d", "source": "", "position": 0, "text": "\\ud800"}',
        b'{"id": "s", "document_id": "d", "source": "", "position": 0, "text": ""}',
        b'{"id": "'
        + b"s" * 300
        + b'", "document_id": "d", "source": "", "position": 0, "text": "a"}',
    ],
    ids=lambda data: repr(data[:12]),
)
def test_hostile_json_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        decode(Segment, data, _headers(JSON))
    with pytest.raises(WireError):
        decode_document(data, _headers(JSON))


@pytest.mark.parametrize(
    ("field", "value"),
    [("position", -1), ("position", 0.5), ("headings", "one"), ("document_at", {})],
)
def test_the_field_that_is_wrong_is_named(field: str, value: object) -> None:
    data = json.dumps({**_SEGMENT.model_dump(mode="json"), field: value}).encode()
    with pytest.raises(WireError, match=f"not a valid segment: {field}"):
        decode(Segment, data, _headers(JSON))


@settings(max_examples=100, deadline=None)
@given(
    data=st.binary(max_size=200),
    content_type=st.sampled_from([None, MSGPACK, JSON, "text/plain", "a/b", ""]),
)
def test_whatever_comes_is_a_record_or_a_wire_error(data: bytes, content_type: str | None) -> None:
    with contextlib.suppress(WireError):
        assert isinstance(decode(Segment, data, _headers(content_type)), Segment)
    with contextlib.suppress(WireError):
        assert isinstance(decode_document(data, _headers(content_type)), Document)


@pytest.mark.parametrize("content_type", [MSGPACK, JSON])
def test_an_oversize_record_is_refused_on_both_ways(content_type: str) -> None:
    large = Document(id="d", source="", text="x" * MAX_BYTES)
    with pytest.raises(WireError, match="over the limit"):
        encode(large, content_type)
    with pytest.raises(WireError, match="over the limit"):
        decode(Segment, b"\xc0" * (MAX_BYTES + 1), _headers(content_type))


@pytest.mark.parametrize("content_type", [None, MSGPACK, JSON, "text/plain", "text/html"])
def test_an_oversize_document_is_refused(content_type: str | None) -> None:
    with pytest.raises(WireError, match="over the limit"):
        decode_document(b"x" * (MAX_BYTES + 1), _headers(content_type))
    if content_type in (None, "text/plain"):
        assert len(decode_document(b"x" * MAX_BYTES, _headers(content_type)).text) == MAX_BYTES


@pytest.mark.parametrize(
    ("content_type", "media_type"),
    [
        (None, "text/plain"),
        ("text/plain", "text/plain"),
        ("text/plain; charset=utf-8", "text/plain"),
        ("Text/HTML ;charset=UTF-8", "text/html"),
        ("text/html", "text/html"),
        ("text/markdown", "text/markdown"),
    ],
)
def test_text_of_any_producer_is_a_document(content_type: str | None, media_type: str) -> None:
    text = "Grüße, ein Text.\n"
    document = decode_document(text.encode(), _headers(content_type), b"letters/1")
    assert document == Document(
        id=document_id("letters/1", text), source="letters/1", text=text, media_type=media_type
    )


@pytest.mark.parametrize(
    ("key", "header", "source"),
    [(None, None, ""), (b"k", None, "k"), (b"k", b"h", "h"), (None, b"h", "h"), (b"k", b"", "k")],
)
@pytest.mark.parametrize("content_type", ["text/plain", JSON])
def test_the_source_is_the_header_else_the_key(
    key: bytes | None, header: bytes | None, source: str, content_type: str
) -> None:
    data = b'{"text": "words"}' if content_type == JSON else b"words"
    document = decode_document(data, _headers(content_type, source=header), key)
    assert (document.source, document.id) == (source, document_id(source, "words"))


def test_a_json_document_may_set_its_source_and_id() -> None:
    def read(**fields: str | None) -> Document:
        return decode_document(
            json.dumps(fields).encode(), _headers("application/json; charset=utf-8"), b"key"
        )

    assert read(text="words").id == document_id("key", "words")
    assert read(text="words", source="mine").id == document_id("mine", "words")
    assert read(text="words", id="7", source="mine").id == "7"
    assert (
        read(text="words", id="").id
        == read(text="words", id=None).id
        == document_id("key", "words")
    )
    titled = read(
        text="words", title="On words", context="given", media_type="text/html", colour="green"
    )
    assert (titled.title, titled.context, titled.media_type) == ("On words", "given", "text/html")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"text": None},
        {"text": ""},
        {"text": 7},
        {"text": "a", "id": 7},
        {"text": "a", "source": None},
    ],
)
def test_a_json_document_that_is_none_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(WireError, match="not a valid document"):
        decode_document(json.dumps(fields).encode(), _headers(JSON))


@pytest.mark.parametrize(
    "content_type", ["image/png", "text/csv", "text", "application/octet-stream", "*/*"]
)
def test_an_unknown_content_type_is_named(content_type: str) -> None:
    with pytest.raises(WireError, match="content-type"):
        decode_document(b"words", _headers(content_type))


@pytest.mark.parametrize("data", [b"", b" ", b" \r\n\t\n", "\u2003".encode()])
@pytest.mark.parametrize("content_type", [None, "text/plain", "text/html"])
def test_an_empty_document_is_refused(data: bytes, content_type: str | None) -> None:
    with pytest.raises(WireError, match="empty"):
        decode_document(data, _headers(content_type))


def test_a_bad_byte_is_replaced_and_a_text_of_them_is_refused_with_its_place() -> None:
    assert decode_document(b"words \xff", _headers("text/plain")).text == "words \ufffd"
    with pytest.raises(WireError, match=r"not UTF-8.* at byte 1"):
        decode_document("déjà vu".encode("latin-1"), _headers("text/plain"))
    with pytest.raises(WireError, match="not UTF-8, as its label 'utf-8' says"):
        decode_document("déjà vu".encode("latin-1"), _headers("text/plain; charset=utf-8"))


def test_replacement_characters_of_somebody_else_are_no_reason_to_refuse() -> None:
    text = "the sum over " + "\ufffd" * 9
    assert decode_document(text.encode(), _headers("text/plain; charset=utf-8")).text == text
    with pytest.raises(WireError, match="2 of 24 characters"):
        decode_document(text.encode() + b"\xe9\xe8", _headers("text/plain"))


def test_a_source_that_is_not_utf_8_is_readable() -> None:
    assert decode_document(b"words", {}, b"\xff\0k").source == "\\xff\\x00k"


@pytest.mark.parametrize(
    ("data", "content_type", "text"),
    [
        (b"\xef\xbb\xbf# Locks", "text/markdown", "# Locks"),
        (b"\xff\xfe#\0", "text/plain; charset=iso-8859-1", "#"),
        ("<meta charset=windows-1251>Шлюз".encode("cp1251"), "text/html", "Шлюз"),
        ("<meta charset=windows-1251>Grüße".encode(), "text/html; charset=utf-8", "Grüße"),
        ("\u2019s \u2013".encode("cp1252"), "text/plain; charset=iso-8859-1", "\u2019s \u2013"),
        ("囍镕".encode("gb18030"), "text/plain; charset=gb2312", "囍镕"),
    ],
    ids=["mark", "mark before label", "meta", "label before meta", "latin-1", "gb2312"],
)
def test_text_is_decoded_as_on_the_web(data: bytes, content_type: str, text: str) -> None:
    assert decode_document(data, _headers(content_type)).text.endswith(text)


def test_binary_data_is_refused_by_its_name() -> None:
    with pytest.raises(WireError, match="a PDF file"):
        decode_document(b"%PDF-1.4\n1 0 obj", _headers("text/plain"))


@pytest.mark.parametrize(
    "given", ["text/html; charset=utf-8", "TEXT/HTML", "application/xhtml+xml"]
)
def test_a_media_type_is_folded(given: str) -> None:
    fields = {"id": "d", "source": "s", "text": "<p>words", "media_type": given}
    document = Document.model_validate(fields)
    for message in (
        decode_document(json.dumps(fields).encode(), _headers(JSON)),
        decode_document(encode(document), _headers(MSGPACK)),
        decode_document(encode(document), header_map(headers_for(Document))),
        decode_document(b"<p>words", _headers(given)),
    ):
        assert (message.media_type, message.text) == ("text/html", "<p>words")
    with pytest.raises(WireError, match="image/png"):
        decode_document(json.dumps({**fields, "media_type": "image/png"}).encode(), _headers(JSON))


def test_empty_elements_of_xhtml_are_empty() -> None:
    page = "<title/><script src='a.js'/><p class='a'/>words<br/>"
    fields = {"id": "d", "source": "s", "text": page, "media_type": "application/xhtml+xml"}
    for message in (
        decode_document(json.dumps(fields).encode(), _headers(JSON)),
        decode_document(page.encode(), _headers("Application/XHTML+XML; charset=utf-8")),
    ):
        ended = "<title></title><script src='a.js'></script><p class='a'></p>words<br/>"
        assert message.text == ended
    assert decode_document(page.encode(), _headers("text/html")).text == page


@pytest.mark.parametrize("charset", ["iso-8859-1", "LATIN1", '"windows-1252"', "utf-16"])
def test_text_is_read_in_the_charset_that_its_producer_declares(charset: str) -> None:
    text = "Grüße, ein Text.\n"
    data = text.encode(charset.strip('"'))
    assert decode_document(data, _headers(f"text/plain; charset={charset}")).text == text


@pytest.mark.parametrize("charset", ["klingon", "base64", "utf-8\0"])
def test_a_charset_that_is_not_known_is_refused(charset: str) -> None:
    with pytest.raises(WireError, match="charset"):
        decode_document(b"words", _headers(f"text/plain; charset={charset}"))


@pytest.mark.parametrize("name", sorted(set(webencodings.LABELS.values())))
def test_every_encoding_of_the_web_is_read_or_refused(name: str) -> None:
    data = "words".encode("utf-16-le" if name == "utf-16le" else "ascii")
    data = "words".encode("utf-16-be") if name == "utf-16be" else data
    headers = _headers(f"text/plain; charset={name}")
    if name in ("replacement", "x-user-defined"):
        with pytest.raises(WireError, match="charset"):
            decode_document(data, headers)
    else:
        assert decode_document(data, headers).text == "words"


def test_a_record_of_ours_is_recognised_by_its_schema_header() -> None:
    document = Document(id="d", source="s", text="words", title="On words")
    assert (
        decode_document(encode(document), header_map(headers_for(Document)), b"other") == document
    )
    assert decode_document(encode(document), _headers(schema="document/1")) == document
    assert decode_document(encode(document), _headers(MSGPACK)) == document
    assert (
        decode_document(encode(document, JSON), header_map(headers_for(Document, JSON))) == document
    )
    for content_type in (None, MSGPACK, JSON):
        with pytest.raises(WireError, match="document/1"):
            decode_document(encode(document), _headers(content_type, "document/2"))


def test_header_names_are_folded_and_the_last_wins() -> None:
    given: Any = [("Schema", b"a"), ("schema", b"b"), ("Empty", None)]  # as some clients send it
    assert header_map(given) == {"schema": b"b", "empty": b""}
    assert header_map(None) == header_map(()) == {}
    assert header_map({"Content-Type": b"text/plain"}) == {"content-type": b"text/plain"}


@pytest.mark.parametrize("number", [2**63, 2**64, 10**30, -1])
@pytest.mark.parametrize(
    ("record", "field"),
    [
        (Segment(id="i", document_id="d", source="s", position=0, text="t"), "position"),
        (Rejection(id="i", stage="s", reason="r"), "count"),
        (_RELEASE, "examples"),
        (_RELEASE, "seeds"),
        (_RELEASE, "term"),
    ],
)
def test_a_number_that_msgpack_cannot_hold_is_refused(
    record: Record, field: str, number: int
) -> None:
    written = json.dumps({**record.model_dump(mode="json"), field: number}).encode()
    with pytest.raises(WireError, match=field):
        decode(type(record), written, dict(headers_for(type(record), JSON)))


def test_a_status_that_is_nested_is_refused() -> None:
    status = "[" * 800 + "]" * 800
    written = json.dumps(_RELEASE.model_dump(mode="json")).replace('"kept"', status).encode()

    def deeper(frames: int) -> None:  # Python's own limit is reached where the value is quoted
        if frames:
            deeper(frames - 1)
        else:
            decode(Release, written, dict(headers_for(Release, JSON)))

    with pytest.raises(WireError):
        deeper(100)


EPUB = archive(
    {
        "META-INF/container.xml": '<c><rootfile full-path="book.opf"/></c>',
        "book.opf": '<p><title>Locks</title><item id="a" href="a" media-type="text/html"/>'
        '<itemref idref="a"/></p>',
        "a": "<body><p>words</p></body>",
    }
)


def test_other_formats_become_html() -> None:
    headers = _headers("Application/EPUB+zip; x=y")
    document = decode_document(EPUB, headers, b"book")
    assert (document.text, document.media_type) == ("<p>words</p>", "text/html")
    assert (document.source, document.title) == ("book", "Locks")
    assert is_converted(headers)
    assert not is_converted(_headers("text/html"))
    assert not is_converted({})


def test_the_id_of_another_format_needs_only_its_bytes() -> None:
    headers = _headers("application/epub+zip")
    found = decode_document(EPUB, headers, b"book", with_text=False)
    assert found.id == decode_document(EPUB, headers, b"book").id
    assert found.id != decode_document(EPUB, headers, b"other", with_text=False).id
    assert decode_document(b"damaged", headers, with_text=False).id


@pytest.mark.parametrize(
    ("data", "content_type", "says"),
    [
        (b"damaged", "application/epub+zip", "cannot be read: an EPUB file that is damaged"),
        (b"\0\1\2abc", "text/troff", "cannot be read: binary data"),
        (b".TH a", "text/troff; charset=klingon", "declares the charset 'klingon'"),
        (b"x" * (MAX_BYTES + 1), "application/pdf", "over the limit"),
        (b"x", "application/zip", "is not one of .*, application/pdf"),
    ],
)
def test_another_format_that_cannot_be_read_is_refused(
    data: bytes, content_type: str, says: str
) -> None:
    with pytest.raises(WireError, match=says):
        decode_document(data, _headers(content_type))
