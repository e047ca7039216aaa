"""Web archives: the pages of WARC and the texts of WET."""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from schemas.errors import NotText, SourceError
from schemas.records import Document
from schemas.text import ContentType, PassedOver, Warned, decode, media_type_of
from schemas.wire import MAX_BYTES
from streams.data.sources.columns import make_document, too_large
from streams.data.sources.http_bodies import body_of, is_html, parse_response

if TYPE_CHECKING:
    from fastwarc.warc import WarcRecord

_LONGEST = 2 * MAX_BYTES
"""Largest record that is read, in bytes: headers and text."""
_OK = 200
_UNKNOWN_TYPES = ("", "application/octet-stream", "application/unknown", "unknown/unknown", "*/*")
"""Types of a response whose own bytes say whether it is HTML."""
_Outcome = Document | SourceError | PassedOver | Warned


def read_warc(stream: io.BufferedReader, name: str) -> Iterator[_Outcome]:
    """HTML and text in responses, resources and conversions; the source is their address.

    Other records, and responses with a status other than 200 or of another type, are passed over.
    """
    # Imported here, as the readers of other heavy formats are.
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    kinds = WarcRecordType.response | WarcRecordType.resource | WarcRecordType.conversion
    number = 0
    archive = ArchiveIterator(
        _Counted(stream), record_types=WarcRecordType.any_type, parse_http=False
    )
    while True:
        try:
            record = next(archive, None)
        except (OSError, ValueError) as error:
            yield SourceError.because(
                error,
                f"{name}: not readable as WARC after record {number}: {error}; fetch the file "
                "again",
            )
            return
        if record is None:
            break
        number += 1
        if record.record_type & kinds:
            yield from _read_record(record, f"{name}#{number}")
        else:
            yield PassedOver(f"{name}#{number}", f"{_kind(record)} record")
    if not number:
        yield SourceError(f"{name}: no WARC record in it")


class _Counted:
    """A stream that knows its position without seeking, which FastWARC asks a pipe for."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._position += len(data)
        return data

    def close(self) -> None:
        self._stream.close()

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        target = self._position + offset if whence == io.SEEK_CUR else offset
        if whence == io.SEEK_END or target != self._position:
            raise io.UnsupportedOperation("an archive is read from its start to its end")
        return self._position


def _kind(record: "WarcRecord") -> str:
    return (record.headers.get("WARC-Type") or "unknown").strip().lower()


def _read_record(record: "WarcRecord", where: str) -> Iterator[_Outcome]:
    # Some versions of Wget write the address in angle brackets.
    source = (record.headers.get("WARC-Target-URI") or "").strip().strip("<>")
    length = record.content_length
    if not source:
        yield SourceError(f"{where}: a record with no address, or cut short; fetch the file again")
        return
    place = f"{where} ({source})"
    if length > _LONGEST:
        yield too_large(place, length)
        return
    content = record.reader.read(length)
    if len(content) < length:
        yield SourceError(
            f"{place}: the record is cut short ({len(content):,} of {length:,} bytes); fetch "
            "the file again"
        )
    elif record.is_http:
        yield from _read_response(content, source, place)
    else:
        type_ = ContentType.of(record.headers.get("Content-Type") or "")
        yield _document(content, type_, source, place)


def _read_response(content: bytes, source: str, place: str) -> Iterator[_Outcome]:
    try:
        headers = parse_response(content)
        if headers.status != _OK:
            yield PassedOver(place, f"response with status {headers.status or 'unknown'}")
            return
        media_type = headers.type.media_type
        if media_type_of(media_type) is None and media_type not in _UNKNOWN_TYPES:
            yield PassedOver(place, f"response of type {media_type}")
            return
        warnings: list[str] = []
        data = body_of(content, headers, place, MAX_BYTES + 1, warnings.append)
    except (OSError, ValueError) as error:
        yield SourceError(f"{place}: the record cannot be decoded: {error}")
        return
    except SourceError as error:
        yield error
        return
    if media_type in _UNKNOWN_TYPES:
        if not is_html(data):
            yield PassedOver(place, f"response of type {media_type or 'unknown'}")
            return
        media_type = "text/html"
    yield from map(Warned, warnings)
    yield _document(data, ContentType(media_type, headers.type.charset), source, place)


def _document(data: bytes, type_: ContentType, source: str, place: str) -> _Outcome:
    media_type = media_type_of(type_.media_type)
    if media_type is None:
        return PassedOver(place, f"record of type {type_.media_type or 'unknown'}")
    if len(data) > MAX_BYTES:
        return too_large(place, len(data), at_least=media_type == "text/html")
    try:
        text = decode(data, type_.charset, media_type)
    except NotText as error:
        return SourceError(f"{place}: {error}")
    return make_document(text, source=source, where=place, media_type=type_.media_type)
