"""CSV, Parquet and Arrow as documents."""

import io
from collections.abc import Iterator
from functools import partial

from schemas.errors import SourceError
from schemas.records import Document
from schemas.tables import arrow_rows, delimited_rows, parquet_rows
from schemas.text import Row, name_of
from schemas.wire import MAX_ROW_BYTES
from streams.data.sources.columns import Columns, document_of
from streams.data.sources.discovery import File, Stdin


def read_parquet(where: File | Stdin, columns: Columns) -> Iterator[Document | SourceError]:
    """The documents of a Parquet file. Reads only the columns of a document."""
    name = name_of(where)
    if isinstance(where, Stdin):
        yield SourceError(
            "stdin: Parquet is read from its end, which a pipe does not have; give the file's path"
        )
        return
    try:
        with where.open("rb") as file:
            rows = parquet_rows(file, name, partial(columns.choose, name=name))
            yield from _documents(rows, columns)
    except FileNotFoundError:
        yield SourceError(f"{name}: no such file, and nothing matches it")


def read_arrow(
    stream: io.BufferedReader, name: str, columns: Columns
) -> Iterator[Document | SourceError]:
    """The documents of an Arrow file."""
    yield from _documents(arrow_rows(stream, name, partial(columns.choose, name=name)), columns)


def read_delimited(
    stream: io.BufferedReader, name: str, columns: Columns
) -> Iterator[Document | SourceError]:
    """The documents of a CSV file."""
    choose = partial(columns.choose, name=name)
    yield from _documents(delimited_rows(stream, name, choose, MAX_ROW_BYTES), columns)


def _documents(
    rows: Iterator[Row | SourceError], columns: Columns
) -> Iterator[Document | SourceError]:
    for row in rows:
        yield row if isinstance(row, SourceError) else document_of(row.value, row.place, columns)
