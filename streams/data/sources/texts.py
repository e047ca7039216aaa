"""A file that is one document."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

from schemas.errors import NotText, SourceError
from schemas.records import Document
from schemas.text import decode, media_type_of, name_of
from schemas.wire import MAX_BYTES
from streams.data.sources.columns import make_document, too_large
from streams.data.sources.discovery import File, Stdin

_ADVICE = {
    "text/html": "declare its charset in a <meta charset>, or convert it to UTF-8",
    "text/plain": "convert it first, as with iconv -f WINDOWS-1252 -t UTF-8",
}


def read_text(
    stream: io.BufferedReader, where: File | Stdin, media_type: str
) -> Iterator[Document | SourceError]:
    """The document of a text, Markdown or HTML file. Reads at most what a document may hold."""
    name = name_of(where)
    read_as = media_type_of(media_type) or "text/plain"
    data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        yield too_large(name, *_size(stream, where))
    elif not data:
        yield SourceError(f"{name}: the file is empty")
    else:
        try:
            text = decode(data, None, read_as)
        except NotText as error:
            advice = _ADVICE.get(read_as, _ADVICE["text/plain"])
            yield SourceError(
                f"{name}: {error}" + (f"; {advice}" if error.in_other_charset else "")
            )
        else:
            yield make_document(text, source=name, where=name, media_type=media_type)


def _size(stream: io.BufferedReader, where: File | Stdin) -> tuple[int, bool]:
    """The size of a document that is too large, and whether it may be larger.

    That of a pipe or a compressed file is known only after reading it.
    """
    if isinstance(where, Path) and isinstance(stream.raw, io.FileIO):
        return os.fstat(stream.fileno()).st_size, False
    return MAX_BYTES, True
