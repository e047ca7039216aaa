"""Web archives: the pages of WARC and the texts of WET."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import webencodings

from schemas.errors import SourceError
from schemas.records import Document
from schemas.wire import MAX_BYTES
from streams.data.sources.columns import make_document, too_large
from streams.data.sources.discovery import Stdin

if TYPE_CHECKING:
    from fastwarc.warc import WarcRecord

_LONGEST = 2 * MAX_BYTES
"""Largest record that is read, in bytes: headers and text."""


def read_warc(stream: IO[bytes], where: Path | Stdin) -> Iterator[Document | SourceError]:
    """HTML responses and plain-text conversions as documents; the source is their address.

    Gzip is detected. A response with a status other than 200, or of another type, is neither a
    document nor an error.
    """
    # Imported here, as the readers of other heavy formats are.
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    kinds = WarcRecordType.response | WarcRecordType.conversion
    number = 0
    archive = ArchiveIterator(stream, record_types=WarcRecordType.any_type, parse_http=False)
    while True:
        try:
            record = next(archive, None)
        except (OSError, ValueError) as error:
            yield SourceError(
                f"{where}: not readable as WARC after record {number}: {error}; fetch the "
                "file again"
            )
            return
        if record is None:
            break
        number += 1
        if record.record_type & kinds:
            outcome = _read_record(record, f"{where}#{number}")
            if outcome is not None:
                yield outcome
    if not number:
        yield SourceError(f"{where}: no WARC record in it")


def _read_record(record: "WarcRecord", where: str) -> Document | SourceError | None:
    source = record.headers.get("WARC-Target-URI")
    length = record.content_length
    if not source:
        return SourceError(f"{where}: a record with no address, or cut short; fetch the file again")
    place = f"{where} ({source})"
    if length > _LONGEST:
        return too_large(place, length)
    content = record.reader.read(length)
    if len(content) < length:
        return SourceError(
            f"{place}: the record is cut short ({len(content):,} of {length:,} bytes); fetch "
            "the file again"
        )
    if not record.is_http:
        plain = (record.headers.get("Content-Type") or "").startswith("text/plain")
        return _document(content, None, source, place, "text/plain") if plain else None
    try:
        page = _parse_http(content)
        if page.http_headers.status_code != 200 or page.http_content_type != "text/html":
            return None
        data = page.reader.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        return SourceError(f"{place}: the record cannot be decoded: {error}")
    return _document(data, page.http_charset, source, place, "text/html")


def _parse_http(content: bytes) -> "WarcRecord":
    """Decode the transfer and content encodings of an HTTP response.

    It is parsed as a record of its own: an error inside the archive's parser would end the archive.
    """
    from fastwarc.warc import WarcRecord, WarcRecordType

    page = WarcRecord()
    page.init_headers(WarcRecordType.response)
    page.is_http = True
    page.set_bytes_content(content)
    page.parse_http(auto_decode="all")
    return page


def _document(
    data: bytes, charset: str | None, source: str, place: str, media_type: str
) -> Document | SourceError:
    if len(data) > MAX_BYTES:
        return too_large(place, len(data), at_least=media_type == "text/html")
    return make_document(_decode(data, charset), source=source, where=place, media_type=media_type)


def _decode(data: bytes, charset: str | None) -> str:
    """Text of a page: UTF-8, else the charset that it declares, else the browsers' default."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    # Only the encodings of the web: Python has others, which are not for text, or quadratic.
    declared = webencodings.lookup(charset or "")
    try:
        if declared is not None:
            return declared.codec_info.decode(data)[0]
    except UnicodeDecodeError:
        pass
    return data.decode("cp1252", "replace")
