"""Reading one file or standard input by its format."""

from collections.abc import Iterator
from pathlib import Path

from schemas.errors import SourceError
from schemas.records import Document
from streams.data.sources.bytestreams import opened
from streams.data.sources.columns import ANY_COLUMNS, Columns
from streams.data.sources.discovery import Stdin
from streams.data.sources.formats import FORMATS, format_of
from streams.data.sources.jsons import read_json, read_lines
from streams.data.sources.parquet import read_parquet
from streams.data.sources.texts import read_text
from streams.data.sources.warc import read_warc


def read(
    where: Path | Stdin, *, format: str | None = None, columns: Columns = ANY_COLUMNS
) -> Iterator[Document | SourceError]:
    """The documents of a file, in order, with a SourceError for each part that cannot be read.

    ``format`` is one of FORMATS. Without it, the extension of the file decides, and standard input
    is plain text. ``columns`` names the fields of JSON and Parquet rows. Memory does not grow with
    the file. The content of the file never raises.
    """
    try:
        format = format or (
            "text" if isinstance(where, Stdin) or where.is_dir() else format_of(where)
        )
        if format not in FORMATS:
            raise SourceError(
                f"there is no format {format!r}; the formats are {', '.join(FORMATS)}"
            )
        if format == "parquet":
            yield from read_parquet(where, columns)
            return
        with opened(where, unpack=format != "warc") as stream:
            match format:
                case "jsonl":
                    yield from read_lines(stream, where, columns)
                case "json":
                    yield from read_json(stream, where, columns)
                case "warc":
                    yield from read_warc(stream, where)
                case _:
                    yield from read_text(stream, where, _MEDIA_TYPES[format])
    except SourceError as error:
        yield error
    except OSError as error:
        yield SourceError(f"{where}: cannot be read: {error.strerror or error}")


_MEDIA_TYPES = {"text": "text/plain", "markdown": "text/markdown", "html": "text/html"}
