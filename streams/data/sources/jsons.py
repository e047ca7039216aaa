"""JSON and JSON lines as documents."""

import io
from collections.abc import Iterator

from schemas.errors import SourceError
from schemas.records import Document
from schemas.text import read_rows
from schemas.wire import MAX_ROW_BYTES
from streams.data.sources.columns import Columns, document_of


def read_json(
    stream: io.BufferedReader, name: str, columns: Columns, *, lines: bool
) -> Iterator[Document | SourceError]:
    """The documents of a JSON file; with ``lines``, of one with a row a line."""
    for row in read_rows(stream, name, MAX_ROW_BYTES, lines=lines):
        if isinstance(row, SourceError):
            yield row
        else:
            yield document_of(row.value, row.place, columns)
