"""PDF files and the like as documents in HTML."""

import io
from collections.abc import Iterable, Iterator

from schemas.errors import NotConverted, SourceError
from schemas.records import Document
from schemas.text import PassedOver, Warned, clean
from schemas.wire import MAX_BYTES
from streams.data.sources.columns import make_document
from streams.data.sources.converter import Converter

_LARGEST = 128 * 1024 * 1024
"""Bytes of a file that is read."""
_LONGEST = MAX_BYTES - 64 * 1024
"""Bytes of HTML in one document; the rest is for its title and source."""
_HEADINGS = ("<h1", "<h2")


def read_converted(
    stream: io.BufferedReader, name: str, format: str, converter: Converter
) -> Iterator[Document | SourceError | PassedOver | Warned]:
    """The document of a file, or several where its text is too long for one."""
    data = stream.read(_LARGEST + 1)
    if not data:
        yield SourceError(f"{name}: the file is empty")
        return
    if len(data) > _LARGEST:
        yield SourceError(f"{name}: over the limit of {_LARGEST:,} bytes: split it")
        return
    try:
        converted = converter.convert(format, data)
    except NotConverted as error:
        reason = str(error)
        yield (
            PassedOver(name, reason)
            if error.passed_over
            else SourceError(f"{name}: cannot be read: {reason}")
        )
        return
    parts = list(_divided(converted.blocks))
    title = clean(converted.title or "") or None
    for number, part in enumerate(parts or [""], start=1):
        where = name if len(parts) < 2 else f"{name}#{number}"
        yield make_document(
            clean(part), source=where, where=where, media_type="text/html", title=title
        )
    for warning in converted.warnings:
        yield Warned(f"{name}: {warning}")


def _divided(blocks: Iterable[str]) -> Iterator[str]:
    """The blocks in parts that fit a document, of which the longer ones end before a heading."""
    part: list[str] = []
    size = 0
    for block in blocks:
        length = len(block.encode("utf-8", "surrogatepass"))
        full = size + length > _LONGEST or (size > _LONGEST // 2 and block.startswith(_HEADINGS))
        if part and full:
            yield "\n".join(part)
            part, size = [], 0
        part.append(block)
        size += length + 1
    if part:
        yield "\n".join(part)
