"""Bodies of requests as documents, and what is refused with which status."""

import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Callable

import pytest
import zstandard

from schemas.errors import RequestRefused
from schemas.ids import document_id
from schemas.wire import MAX_BYTES
from streams.intake.http.bodies import Batch, Labels, Limits, read_body

LIMITS = Limits(bytes=1 << 20, documents=100)
ROWS = [{"text": "One.", "source": "a"}, {"content": "Two.", "url": "b"}]


def read(
    body: bytes,
    content_type: str = "text/plain",
    encoding: str = "",
    labels: Labels = Labels(),  # noqa: B008
    limits: Limits = LIMITS,
) -> Batch:
    return read_body(body, content_type, encoding, labels, limits)


def refused(*arguments, **options) -> RequestRefused:
    with pytest.raises(RequestRefused) as raised:
        read(*arguments, **options)
    return raised.value


def lines(rows) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


def test_a_text_is_one_document_with_the_labels_of_the_query():
    labels = Labels(source="notes/1", title="A title", context="C")
    [document] = read("Wörter".encode(), "text/markdown", labels=labels).documents
    assert (document.source, document.title, document.context) == ("notes/1", "A title", "C")
    assert document.media_type == "text/markdown"
    assert document.id == document_id("notes/1", "Wörter")


def test_a_text_without_a_source_has_the_same_id_each_time():
    assert read(b"a text").documents == read(b"a text").documents


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (b"\x93quoted\x94", "text/plain; charset=iso-8859-1", "\u201cquoted\u201d"),
        ("привет".encode("cp1251"), 'TEXT/HTML; charset="windows-1251"', "привет"),
        (b"<meta charset=windows-1251>" + "да".encode("cp1251"), "text/html", None),
        (b"\xef\xbb\xbfwith a mark", "text/plain", "with a mark"),
        ("breit".encode("utf-16"), "text/plain", "breit"),
        (b"<p>x</p>", "application/xhtml+xml", "<p>x</p>"),
    ],
)
def test_charsets_are_those_of_the_label_the_mark_and_the_page(body, content_type, text):
    [document] = read(body, content_type).documents
    assert document.text == text if text else "да" in document.text


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (json.dumps(ROWS).encode(), "application/json"),
        (lines(ROWS), "application/x-ndjson"),
        (lines(ROWS) + b"\n\n", "application/jsonl; charset=utf-8"),
        (json.dumps(ROWS, indent=1).encode("utf-16"), "Application/JSON"),
    ],
)
def test_a_batch_is_a_list_or_an_object_a_line(body, content_type):
    documents = read(body, content_type).documents
    assert [(one.text, one.source) for one in documents] == [("One.", "a"), ("Two.", "b")]


def test_an_object_is_one_document():
    row = {"text": "One.", "title": "T", "media_type": "text/html; charset=utf-8"}
    [document] = read(json.dumps(row).encode(), "application/json").documents
    assert (document.source, document.media_type, document.title) == ("", "text/html", "T")


def test_a_row_without_a_source_has_that_of_the_query():
    body = lines([{"text": "One."}, {"text": "Two.", "source": "own"}])
    documents = read(body, "application/x-ndjson", labels=Labels(source="crawl")).documents
    assert [one.source for one in documents] == ["crawl", "own"]


def test_the_text_column_can_be_named():
    labels = Labels(text_column="markdown")
    [document] = read(b'{"markdown": "M", "text": "T"}', "application/json", "", labels).documents
    assert document.text == "M"


@pytest.mark.parametrize("rows", [[*ROWS, {"other": 1}], [*ROWS, 7], [*ROWS, {"text": " "}]])
def test_one_bad_row_refuses_the_batch_and_is_named(rows):
    error = refused(lines(rows), "application/x-ndjson")
    assert error.status == 400
    assert "none of it was written" in error.reason
    assert len(error.errors) == 1
    assert error.errors[0].startswith("body#3: ")


def test_a_row_without_a_text_is_advised_with_what_a_request_has():
    assert "?text_column=NAME" in refused(b'{"txt": "x"}', "application/json").reason


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "text/plain"),
        (b"  \n", "text/plain"),
        (b"[]", "application/json"),
        (b"{", "application/json"),
        (b'["a", "b"]', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"text": "x"', "application/x-ndjson"),
        (b"\n\n", "application/x-ndjson"),
        (b"%PDF-1.7 \0\1", "text/plain"),
        (b"\xe4\xf6\xfc\xdf" * 9, "text/plain"),
        (b'{"text": {"a": 1}}', "application/json"),
        (b'{"text": "x", "media_type": "image/png"}', "application/json"),
    ],
)
def test_what_is_no_text_is_400(body, content_type):
    assert refused(body, content_type).status == 400


@pytest.mark.parametrize(
    "content_type",
    ["", "application/pdf", "multipart/form-data; boundary=x", "text/csv", "a" * 5000, ";"],
)
def test_other_types_are_415_and_name_those_that_are_read(content_type):
    error = refused(b"x", content_type)
    assert error.status == 415
    assert "application/x-ndjson" in error.reason
    assert len(error.reason) < 400


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}


@pytest.mark.parametrize("name", COMPRESSORS)
def test_content_encodings(name):
    compressed = COMPRESSORS[name](lines(ROWS))
    assert len(read(compressed, "application/x-ndjson", name.upper()).documents) == 2
    if name != "deflate":
        assert len(read(compressed, "application/x-ndjson").documents) == 2
    assert refused(compressed[:-9], "application/x-ndjson", name).status == 400
    assert refused(b"plain", "text/plain", name).status == 400


def test_raw_deflate_is_read_as_browsers_do():
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = compressor.compress(b"some text") + compressor.flush()
    assert read(data, "text/plain", "deflate").documents[0].text == "some text"


@pytest.mark.parametrize("name", COMPRESSORS)
def test_a_bomb_is_413_without_being_unpacked(name):
    bomb = COMPRESSORS[name](b" " * (64 << 20))
    assert refused(bomb, "text/plain", name).status == 413


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "compress", "x" * 9999])
def test_other_encodings_are_415(encoding):
    error = refused(b"x", "text/plain", encoding)
    assert error.status == 415
    assert len(error.reason) < 300


def test_too_many_documents_are_413():
    body = lines([{"text": "x"}] * 101)
    assert refused(body, "application/x-ndjson").status == 413
    assert refused(json.dumps([{}] * 101).encode(), "application/json").status == 413
    assert len(read(lines([{"text": "x"}] * 100), "application/x-ndjson").documents) == 100


def test_a_document_over_the_limit_is_413():
    limits = Limits(4 * MAX_BYTES, 10)
    assert refused(b"x" * (MAX_BYTES + 1), limits=limits).status == 413
    row = json.dumps({"text": "x" * MAX_BYTES}).encode()
    assert refused(row, "application/json", limits=limits).status == 413


def test_what_is_mended_is_said():
    batch = read(gzip.compress(b"caf\xe9 and more") + b"garbage")
    assert batch.replaced == 1
    assert batch.warnings == ["body: left out what follows the gzip data"]


def test_no_error_quotes_the_whole_body():
    body = json.dumps({f"name {n}" * 99: 1 for n in range(99)}).encode()
    assert len(refused(body, "application/json").reason) < 20_000
