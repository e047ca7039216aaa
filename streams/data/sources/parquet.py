"""Parquet, batch by batch."""

from collections.abc import Iterator
from pathlib import Path

from schemas.errors import SourceError
from schemas.records import Document
from schemas.text import name_of
from streams.data.sources.columns import Columns, document_of
from streams.data.sources.discovery import Stdin

_BATCH_ROWS = 64


def read_parquet(where: Path | Stdin, columns: Columns) -> Iterator[Document | SourceError]:
    """The documents of a Parquet file. Reads only the columns of a document; rows count from 0."""
    # Imported here: 0.2 s that no other format needs.
    import pyarrow
    from pyarrow.parquet import ParquetFile

    if isinstance(where, Stdin):
        yield SourceError(
            "stdin: Parquet is read from its end, which a pipe does not have; give the file's path"
        )
        return
    name, row = name_of(where), 0
    try:
        with where.open("rb") as opened, ParquetFile(opened) as file:
            present = [column for column in columns.names if column in file.schema_arrow.names]
            if not set(present) & set(columns.text):
                found = ", ".join(file.schema_arrow.names) or "none"
                wanted = " or ".join(map(repr, columns.text))
                yield SourceError(
                    f"{name}: no column {wanted}; its columns are: {found}. Name the text's with "
                    "--text-column"
                )
                return
            for batch in file.iter_batches(
                batch_size=_BATCH_ROWS, columns=present, use_threads=False
            ):
                for values in batch.to_pylist():
                    yield document_of(values, f"{name}#{row}", columns)
                    row += 1
    except FileNotFoundError:
        yield SourceError(f"{name}: no such file, and nothing matches it")
        return
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        yield SourceError(
            f"{name}: not readable as Parquet after row {row}: {reason}; fetch or write the "
            "file again"
        )
        return
    if not row:
        yield SourceError(f"{name}: no row in it")
