"""Files and standard input as streams of bytes, decompressed where they are gzip."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from schemas.errors import SourceError
from streams.data.sources.discovery import Stdin

_GZIP = b"\x1f\x8b"


@contextmanager
def opened(where: Path | Stdin, *, unpack: bool = True) -> Iterator[IO[bytes]]:
    """Open a file or standard input; with ``unpack``, decompress it if it is gzip.

    Raises SourceError where it cannot be opened, and where reading inside the ``with`` block fails.
    """
    try:
        if isinstance(where, Stdin):
            yield _unpacked(_peekable(where.stream), unpack)
        else:
            with where.open("rb") as file:
                yield _unpacked(file, unpack)
    except FileNotFoundError:
        raise SourceError(f"{where}: no such file, and nothing matches it") from None
    except IsADirectoryError:
        raise SourceError(
            f"{where}: a directory with no file in it of a kind that is read"
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(
            f"{where}: the gzip data is cut short or damaged ({error}); fetch the file again"
        ) from error
    except OSError as error:
        raise SourceError(f"{where}: cannot be read: {error.strerror or error}") from error


def decode(data: bytes, where: str) -> str | SourceError:
    """Decode UTF-8, without its byte order mark. An error value where it is not UTF-8 text."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return SourceError(f"{where}: UTF-16 text; convert it first: iconv -f UTF-16 -t UTF-8")
    if b"\0" in data:
        return SourceError(
            f"{where}: binary data (a zero byte at {data.index(0):,}), not text; leave it out"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return SourceError(
            f"{where}: not UTF-8 at byte {error.start:,}; if it is text, convert it first: "
            "iconv -f LATIN1 -t UTF-8"
        )


def _peekable(stream: BinaryIO) -> io.BufferedReader:
    """A reader whose first bytes can be looked at without seeking, which a pipe cannot."""
    return (
        stream
        if isinstance(stream, io.BufferedReader)
        else io.BufferedReader(cast(io.RawIOBase, stream))
    )


def _unpacked(stream: io.BufferedReader, unpack: bool) -> IO[bytes]:
    if unpack and stream.peek(len(_GZIP)).startswith(_GZIP):
        return cast(IO[bytes], gzip.GzipFile(fileobj=stream, mode="rb"))
    return stream
