"""The bodies of HTTP responses in archives, with what was done to them for the transfer undone.

Archives hold bodies that do not fit their headers: many tools decode a body and leave the header.
"""

import io
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from schemas.text import ContentType, decompressed
from streams.data.sources.chunks import unchunked

if TYPE_CHECKING:
    from fastwarc.warc import HeaderMap, WarcRecord

_Mode = Literal["content", "none"]
_CHUNKED = "chunked"
_HTML = tuple(
    b"<" + name
    for name in (
        *(b"!doctype html", b"html", b"head", b"script", b"iframe", b"h1", b"div", b"font"),
        *(b"table", b"a", b"style", b"title", b"b", b"body", b"br", b"p", b"!--"),
    )
)
"""Beginnings of HTML, from the standard of MIME sniffing."""


class ResponseHeaders(NamedTuple):
    """The headers of a response that say how its body is read."""

    status: int | None
    type: ContentType
    content_encoding: str
    """In lower case; empty where there is none."""
    transfer_codings: tuple[str, ...]
    """In lower case."""


def parse_response(content: bytes) -> ResponseHeaders:
    """The headers of a response. Raises OSError or ValueError where they cannot be read."""
    page = _parse(content, "none")
    headers = page.http_headers
    if headers is None:
        raise ValueError("it has no HTTP headers")
    return ResponseHeaders(
        headers.status_code,
        ContentType.of(_every(headers, "content-type")),
        (headers.get("Content-Encoding") or "").strip().lower(),
        tuple(
            filter(None, map(str.strip, _every(headers, "transfer-encoding").lower().split(",")))
        ),
    )


def body_of(
    content: bytes, headers: ResponseHeaders, place: str, most: int, warn: Callable[[str], None]
) -> bytes:
    """The body of a response, at most ``most`` bytes. A body that is not coded is taken as it is.

    Raises SourceError for a damaged body, OSError or ValueError for one that cannot be read at all.
    """
    body = _parse(content, "none").reader.read()
    if _CHUNKED in headers.transfer_codings:
        whole = unchunked(body, lambda text: warn(f"{place}: {text}"))
        if whole is not None:
            content = content[: len(content) - len(body)] + whole
            body = whole
    if not headers.content_encoding and set(headers.transfer_codings) <= {_CHUNKED}:
        return body[:most]
    with suppress(OSError, ValueError):  # the tool that wrote the archive decoded it already
        body = _parse(content, "content").reader.read(most)
    if headers.content_encoding == "deflate":
        body = _inflated(body, most)
    raw = cast(io.RawIOBase, io.BytesIO(body))  # which a reader takes as well
    return decompressed(io.BufferedReader(raw), place, warn).read(most)


def is_html(body: bytes) -> bool:
    """Whether a body of an unknown type begins like HTML."""
    head = body[:1445].lstrip(b"\xef\xbb\xbf\t\n\f\r ").lower()
    return any(
        head.startswith(mark)
        and (mark == b"<!--" or head[len(mark) : len(mark) + 1] in b" >\n\r\t/")
        for mark in _HTML
    )


def _every(headers: "HeaderMap", name: str) -> str:
    """The values of a header, which may be repeated, as the list that they stand for."""
    return ", ".join(value for each, value in headers.items() if each.lower() == name)


def _inflated(body: bytes, most: int) -> bytes:
    """A body without the raw deflate that some servers send as ``deflate``, as browsers read it."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(body, most)
    except zlib.error:
        return body


def _parse(content: bytes, mode: _Mode) -> "WarcRecord":
    """Parse a response as a record of its own: an error would end the archive that it is in."""
    from fastwarc.warc import WarcRecord, WarcRecordType

    page = WarcRecord()
    page.init_headers(WarcRecordType.response)
    page.is_http = True
    page.set_bytes_content(content)
    page.parse_http(auto_decode=mode, quirks_mode=True)
    return page
