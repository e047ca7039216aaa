"""The body of a request as documents."""

import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from schemas.errors import DocumentTooLarge, NotText, RequestRefused, SourceError
from schemas.records import Document
from schemas.text import (
    REPLACEMENT,
    TEXT_TYPES,
    ContentType,
    Row,
    clean,
    decode,
    decompressed,
    media_type_of,
    read_rows,
)
from schemas.text.media_types import JSON
from schemas.wire import MAX_BYTES, MAX_ROW_BYTES
from streams.data.sources.columns import Columns, document_of, make_document, too_large

NDJSON = "application/x-ndjson"
_JSON_LINES = (
    NDJSON,
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
    "application/jsonlines",
    "application/json-lines",
)
ENCODINGS = ("gzip", "deflate", "bzip2", "xz", "zstd")
"""The values of ``Content-Encoding`` that are read."""
_ALIASES = {"x-gzip": "gzip", "x-bzip2": "bzip2", "bz2": "bzip2", "x-xz": "xz"}
_BY_FIRST_BYTES = {*ENCODINGS} - {"deflate"}
_NAME = "body"
"""Stands for the file's name in errors and positions."""
_MOST_ERRORS = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may hold."""

    bytes: int
    """Largest body, as it comes and decompressed."""
    documents: int
    """Most documents of a batch."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What the query of a request says about its documents."""

    source: str = ""
    """Used where a document names none itself."""
    title: str | None = None
    """Of a body that is one text."""
    context: str | None = None
    """Of a body that is one text."""
    text_column: str | None = None
    """The field of a row that holds the text."""


@dataclass
class Batch:
    """The documents of a request."""

    documents: list[Document] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """What was read all the same."""

    @property
    def replaced(self) -> int:
        """Characters that could not be decoded and are U+FFFD now."""
        return sum(document.text.count(REPLACEMENT) for document in self.documents)


def read_body(
    body: bytes, content_type: str, content_encoding: str, labels: Labels, limits: Limits
) -> Batch:
    """The documents of a body: one text, a JSON object, a JSON list, or an object a line.

    Raises RequestRefused where one of them cannot be read: 400 for content, 413 for a size, 415 for
    a type or an encoding.
    """
    kind = ContentType.of(content_type)
    if not kind.media_type:
        raise RequestRefused(415, f"the request has no content-type; {_types()}")
    rows = kind.media_type == JSON or kind.media_type in _JSON_LINES
    if not rows and media_type_of(content_type) is None:
        raise RequestRefused(415, f"content-type {kind.media_type[:100]!r} is not read; {_types()}")
    if not body:
        raise RequestRefused(400, "the body is empty")
    batch = Batch()
    body = _decompressed(body, content_encoding, limits.bytes, batch.warnings)
    found = (
        _rows(body, kind.media_type in _JSON_LINES, labels)
        if rows
        else iter([_text(body, kind, media_type_of(content_type) or "", labels)])
    )
    errors: list[SourceError] = []
    for one in found:
        if isinstance(one, SourceError):
            errors.append(one)
        else:
            batch.documents.append(one)
        if len(errors) + len(batch.documents) > limits.documents:
            raise _too_many(limits)
    if errors:
        _refuse(errors, len(batch.documents))
    return batch


def _too_many(limits: Limits) -> RequestRefused:
    return RequestRefused(
        413, f"the batch has more than {limits.documents:,} documents: send several"
    )


def _refuse(errors: Sequence[SourceError], readable: int) -> None:
    status = 413 if any(isinstance(error, DocumentTooLarge) for error in errors) else 400
    named = tuple(str(error) for error in errors[:_MOST_ERRORS])
    if readable or len(errors) > 1:
        raise RequestRefused(
            status,
            f"{len(errors):,} documents of the batch cannot be read, and none of it was written",
            named,
            len(errors),
        )
    raise RequestRefused(status, named[0], named, 1)


def _rows(body: bytes, lines: bool, labels: Labels) -> Iterator[Document | SourceError]:
    columns = Columns(advice="name the text's with ?text_column=NAME")
    if labels.text_column is not None:
        columns = replace(columns, text=(labels.text_column,))
    for row in read_rows(_stream(body), _NAME, MAX_ROW_BYTES, lines=lines):
        yield _document(row, columns, labels.source)


def _document(row: Row | SourceError, columns: Columns, source: str) -> Document | SourceError:
    return (
        row if isinstance(row, SourceError) else document_of(row.value, row.place, columns, source)
    )


def _text(
    body: bytes, kind: ContentType, media_type: str, labels: Labels
) -> Document | SourceError:
    if len(body) > MAX_BYTES:
        return too_large(_NAME, len(body))
    try:
        text = decode(body, kind.charset, media_type)
    except NotText as error:
        advice = "; name its charset in the content-type" if error.in_other_charset else ""
        return SourceError(f"{_NAME}: {error}{advice}")
    return make_document(
        text,
        source=clean(labels.source),
        where=_NAME,
        media_type=kind.media_type,
        title=labels.title and clean(labels.title),
        context=labels.context and clean(labels.context),
    )


def _decompressed(body: bytes, encoding: str, most: int, warnings: list[str]) -> bytes:
    """The content of a body, which may also be compressed without a word in the headers."""
    name = encoding.strip().lower()
    name = _ALIASES.get(name, name)
    if name not in ("", "identity", *ENCODINGS):
        raise RequestRefused(
            415, f"content-encoding {name[:100]!r} is not one of {', '.join(ENCODINGS)}"
        )
    if name == "deflate":
        return _inflated(body, most)
    raw = _stream(body)
    stream = decompressed(raw, _NAME, warnings.append)
    if stream is raw:
        if name in _BY_FIRST_BYTES:
            raise RequestRefused(400, f"the body is not {name}, as its content-encoding says")
        return body
    try:
        content = stream.read(most + 1)
    except SourceError as error:
        raise RequestRefused(400, str(error)) from error
    return _within(content, most)


def _inflated(body: bytes, most: int) -> bytes:
    """The content of zlib data, or of the raw deflate that some clients send in its place."""
    for window in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        decompressor = zlib.decompressobj(window)
        try:
            content = decompressor.decompress(body, most + 1)
        except zlib.error:
            continue
        if len(content) <= most and not decompressor.eof:
            break
        return _within(content, most)
    raise RequestRefused(400, "the body is not deflate, as its content-encoding says, or cut short")


def _within(content: bytes, most: int) -> bytes:
    if len(content) > most:
        raise RequestRefused(413, f"the body has more than {most:,} bytes once it is decompressed")
    return content


def _stream(data: bytes) -> io.BufferedReader:
    return io.BufferedReader(cast(io.RawIOBase, io.BytesIO(data)))  # which a reader takes as well


def _types() -> str:
    return f"those that are read are {', '.join((*TEXT_TYPES, JSON, NDJSON))}"
