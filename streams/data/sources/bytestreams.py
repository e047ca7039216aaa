"""Files and standard input as streams of bytes, decompressed."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from schemas.errors import SourceError
from schemas.text import decompressed, name_of
from streams.data.sources.discovery import File, Stdin


@contextmanager
def opened(where: File | Stdin, warn: Callable[[str], None]) -> Iterator[io.BufferedReader]:
    """Open a file or standard input, and decompress it if it is compressed.

    Raises SourceError where it cannot be opened, and where reading inside the ``with`` block fails.
    """
    name = name_of(where)
    try:
        if isinstance(where, Stdin):
            yield decompressed(_peekable(where.stream), name, warn)
        else:
            with where.open("rb") as file:
                yield decompressed(_peekable(file), name, warn)
    except FileNotFoundError:
        other = "or its server does not answer" if "://" in name else "and nothing matches it"
        raise SourceError(f"{name}: no such file, {other}") from None
    except IsADirectoryError:
        raise SourceError(
            f"{name}: a directory with no file in it of a kind that is read"
        ) from None
    except OSError as error:
        raise SourceError(f"{name}: cannot be read: {error.strerror or error}") from error


def _peekable(stream: BinaryIO) -> io.BufferedReader:
    """A reader whose first bytes can be looked at without seeking, which a pipe cannot."""
    return (
        stream
        if isinstance(stream, io.BufferedReader)
        else io.BufferedReader(cast(io.RawIOBase, stream))
    )
