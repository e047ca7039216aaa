"""Parquet, batch by batch."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

from schemas.errors import SourceError
from schemas.tables.batches import batch_rows
from schemas.text import Row

if TYPE_CHECKING:
    import pyarrow

PARQUET_MARK = b"PAR1"
"""The first bytes of a file."""
_BATCH_ROWS = 64
_Choose = Callable[[Sequence[str]], Sequence[str]]


def parquet_rows(file: BinaryIO, name: str, choose: _Choose) -> Iterator[Row | SourceError]:
    """The rows of a Parquet file that can be sought in. They count from 0."""
    return batch_rows(_batches(file, choose), name, "Parquet")


def _batches(file: BinaryIO, choose: _Choose) -> "Iterator[pyarrow.RecordBatch]":
    # Imported here: 0.2 s that no other format needs.
    from pyarrow.parquet import ParquetFile

    with ParquetFile(file) as table:
        columns = list(choose(table.schema_arrow.names))
        yield from table.iter_batches(batch_size=_BATCH_ROWS, columns=columns, use_threads=False)
