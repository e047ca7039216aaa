"""Batches of Arrow's as rows."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from schemas.errors import SourceError
from schemas.text import Row

if TYPE_CHECKING:
    import pyarrow


def batch_rows(
    batches: "Iterator[pyarrow.RecordBatch]", name: str, kind: str
) -> Iterator[Row | SourceError]:
    """The rows of the batches, counted from 0. What reading them raises is an error after these."""
    import pyarrow

    row = 0
    try:
        for batch in batches:
            for values in batch.to_pylist():
                yield Row(f"{name}#{row}", values)
                row += 1
    except SourceError as error:
        yield error
        return
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        yield SourceError(
            f"{name}: not readable as {kind} after row {row}: {reason}; fetch or write the file "
            "again"
        )
        return
    if not row:
        yield SourceError(f"{name}: no row in it")
