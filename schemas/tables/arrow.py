"""Arrow files: those that Hugging Face's ``save_to_disk`` and its cache write, and Feather's."""

import io
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from schemas.errors import SourceError
from schemas.tables.batches import batch_rows
from schemas.text import Row

if TYPE_CHECKING:
    import pyarrow

_FILE = b"ARROW1"
_FEATHER = b"FEA1\0"
ARROW_MARKS = (_FILE, b"\xff\xff\xff\xff", _FEATHER)
"""The first bytes of a file with an index, of a stream of batches, and of old Feather."""


def arrow_rows(
    stream: io.BufferedReader, name: str, choose: Callable[[Sequence[str]], Sequence[str]]
) -> Iterator[Row | SourceError]:
    """The rows of an Arrow stream, or of a file that can be sought in. They count from 0."""
    chosen = (batch.select(list(choose(batch.schema.names))) for batch in _batches(stream, name))
    return batch_rows(chosen, name, "Arrow")


def _batches(stream: io.BufferedReader, name: str) -> "Iterator[pyarrow.RecordBatch]":
    # Imported here: 0.2 s that no other format needs.
    import pyarrow

    head = stream.peek(len(_FILE))
    if head.startswith(_FEATHER):
        raise SourceError(
            f"{name}: Feather's version 1, which is not read; write it as Arrow IPC: "
            "pyarrow.feather.write_feather(pyarrow.feather.read_table(OLD), NEW)"
        )
    if not head.startswith(_FILE):
        yield from pyarrow.ipc.open_stream(stream)
        return
    if not stream.seekable():
        raise SourceError(
            f"{name}: an Arrow file is read from its end, which a pipe and compressed data do not "
            "have; decompress it, and give the file's path"
        )
    table: Any = pyarrow.ipc.open_file(stream)
    for number in range(table.num_record_batches):
        yield table.get_batch(number)
