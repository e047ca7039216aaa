"""A file that is one document."""

import os
from collections.abc import Iterator
from gzip import GzipFile
from pathlib import Path
from typing import IO

from schemas.errors import SourceError
from schemas.records import Document
from schemas.wire import MAX_BYTES
from streams.data.sources.bytestreams import decode
from streams.data.sources.columns import make_document, too_large
from streams.data.sources.discovery import Stdin


def read_text(
    stream: IO[bytes], where: Path | Stdin, media_type: str
) -> Iterator[Document | SourceError]:
    """The document of a text, Markdown or HTML file. Reads at most what a document may hold."""
    data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        # The size of a pipe or a compressed file is known only after reading it.
        known = isinstance(where, Path) and not isinstance(stream, GzipFile)
        size = os.fstat(stream.fileno()).st_size if known else MAX_BYTES
        yield too_large(str(where), size, at_least=not known)
        return
    if not data:
        yield SourceError(f"{where}: the file is empty")
        return
    text = decode(data, str(where))
    if isinstance(text, SourceError):
        yield text
    else:
        yield make_document(text, source=str(where), where=str(where), media_type=media_type)
