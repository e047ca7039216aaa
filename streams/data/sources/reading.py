"""Reading one file or standard input by its format."""

import contextlib
import io
from collections.abc import Iterator

from schemas.errors import SourceError
from schemas.formats import CONVERTED
from schemas.records import Document
from schemas.text import PassedOver, Warned, name_of
from schemas.text.signatures import binary_kind
from schemas.text.xhtml import XHTML
from streams.data.sources.bytestreams import opened
from streams.data.sources.columns import ANY_COLUMNS, Columns
from streams.data.sources.conversions import read_converted
from streams.data.sources.converter import Converter
from streams.data.sources.discovery import File, Stdin, path_of
from streams.data.sources.formats import FORMATS, extension_of, format_of
from streams.data.sources.jsons import read_json
from streams.data.sources.stored import StoredFile
from streams.data.sources.tables import read_arrow, read_delimited, read_parquet
from streams.data.sources.texts import read_text
from streams.data.sources.warc import read_warc

Outcome = Document | SourceError | PassedOver | Warned
"""What reading yields."""
_MEDIA_TYPES = {"text": "text/plain", "markdown": "text/markdown", "html": "text/html"}


def read(
    where: File | Stdin,
    *,
    format: str | None = None,
    columns: Columns = ANY_COLUMNS,
    converter: Converter | None = None,
) -> Iterator[Outcome]:
    """The documents of a file, in order, and a value for each part that is not or cannot be read.

    ``format`` is one of FORMATS. Without it, the extension of the file decides, and standard input
    is plain text. ``columns`` names the fields of rows. ``converter`` saves starting a process for
    each PDF file and the like. Memory does not grow with other files. The content of the file never
    raises.
    """
    warnings: list[Warned] = []
    try:
        if format is not None and format not in FORMATS:
            raise SourceError(
                f"there is no format {format!r}; the formats are {', '.join(FORMATS)}"
            )
        if format is None:
            format = _format(where)
        if format == "parquet":
            yield from read_parquet(where, columns)
            return
        with opened(where, lambda message: warnings.append(Warned(message))) as stream:
            if format in CONVERTED:
                with contextlib.nullcontext(converter) if converter else Converter() as open_one:
                    yield from read_converted(stream, name_of(where), format, open_one)
            else:
                yield from _read(stream, where, format, columns)
    except SourceError as error:
        yield error
    except OSError as error:
        yield SourceError.because(
            error, f"{name_of(where)}: cannot be read: {error.strerror or error}"
        )
    yield from warnings


def _format(where: File | Stdin) -> str | None:
    if isinstance(where, StoredFile):
        # A page on the web has any name.
        named = where.name.suffix or not where.address.startswith("http")
        return format_of(where.name) if named else None
    return "text" if isinstance(where, Stdin) or where.is_dir() else format_of(where)


def _read(
    stream: io.BufferedReader, where: File | Stdin, format: str | None, columns: Columns
) -> Iterator[Outcome]:
    name = name_of(where)
    match format:
        case None:
            assert not isinstance(where, Stdin)
            yield SourceError(f"{name}: {_unknown(stream, where)}")
        case "jsonl":
            yield from read_json(stream, name, columns, lines=True)
        case "json":
            yield from read_json(stream, name, columns, lines=False)
        case "csv":
            yield from read_delimited(stream, name, columns)
        case "arrow":
            yield from read_arrow(stream, name, columns)
        case "warc":
            yield from read_warc(stream, name)
        case _:
            yield from read_text(stream, where, _media_type(where, format))


def _media_type(where: File | Stdin, format: str) -> str:
    """The media type of a file that is one document. XHTML is told by its extension only."""
    if isinstance(where, Stdin) or extension_of(path_of(where)) != ".xhtml":
        return _MEDIA_TYPES[format]
    return XHTML if format == "html" else _MEDIA_TYPES[format]


def _unknown(stream: io.BufferedReader, where: File) -> str:
    """Why a file of an unknown extension is not read, by its first bytes."""
    extension = extension_of(path_of(where))
    return binary_kind(stream.peek(1)) or (
        f"nothing reads {extension!r} files; if it is text, name the format with --format "
        f"({', '.join(FORMATS)})"
    )
