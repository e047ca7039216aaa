"""Compressed streams, told by their first bytes: gzip, bzip2, xz and zstd."""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

import zstandard

from schemas.errors import SourceError

_LARGEST_WINDOW = 128 * 1024 * 1024
"""Most memory in bytes that a zstd stream may ask for."""
_BUFFER = 64 * 1024
_MOST = 1 << 20
"""Bytes of content that are made at a time."""


class _Member(Protocol):
    """Decompresses one member of a stream, as those of ``bz2`` and ``lzma`` do."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""

    @property
    def unused_data(self) -> bytes:
        """What was given after its end."""

    @property
    def needs_input(self) -> bool:
        """Whether it can make nothing more of what it was given."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """The content of the next bytes, or the first ``max_length`` bytes of it."""


class _Whole:
    """A member whose decompressor gives all content of some bytes at once."""

    needs_input = True

    def __init__(self, decompressor: Any) -> None:
        self._decompressor = decompressor

    @property
    def eof(self) -> bool:
        return self._decompressor.eof

    @property
    def unused_data(self) -> bytes:
        return self._decompressor.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._decompressor.decompress(data)


class _Format(NamedTuple):
    name: str
    marks: tuple[bytes, ...]
    """First bytes of a member."""
    start: Callable[[], _Member]
    piece: int
    """Bytes that are decompressed at a time. Those of gzip become at most 4 MB, of zstd 32 MB."""


def _gzip() -> _Member:
    return _Whole(zlib.decompressobj(16 + zlib.MAX_WBITS))


def _zstd(dictionary: zstandard.ZstdCompressionDict | None = None) -> _Member:
    decompressor = zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=_LARGEST_WINDOW)
    return _Whole(decompressor.decompressobj())


_SKIPPABLE = tuple(bytes((kind, 0x2A, 0x4D, 0x18)) for kind in range(0x50, 0x60))
"""Frames of zstd that hold no content."""
_DICTIONARY = b"\x5d\x2a\x4d\x18"
"""The first frame of a web archive that was compressed with a dictionary, which it holds.

See https://iipc.github.io/warc-specifications/specifications/warc-zstd/.
"""
_LARGEST_DICTIONARY = 16 * 1024 * 1024
_FORMATS = (
    _Format("gzip", (b"\x1f\x8b\x08",), _gzip, 4096),
    _Format("bzip2", (b"BZh",), bz2.BZ2Decompressor, _BUFFER),
    _Format("xz", (b"\xfd7zXZ\0",), lzma.LZMADecompressor, _BUFFER),
    _Format("zstd", (b"\x28\xb5\x2f\xfd", *_SKIPPABLE), _zstd, 1024),
)
_LONGEST_MARK = 6
_BZIP2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")
"""What follows the four bytes at the start of a bzip2 member: a block or the end."""


def decompressed(
    stream: io.BufferedReader, name: str, warn: Callable[[str], None]
) -> io.BufferedReader:
    """The content of a compressed stream, or ``stream`` itself where it is not compressed.

    Several members are read as one, and a web archive's zstd dictionary is used. What follows the
    last member and is none is left out, as gzip(1) does, and ``warn`` is called with a sentence
    about it. Reading raises SourceError where the data is damaged or cut short.
    """
    head = stream.peek(16)
    for format in _FORMATS:
        if head.startswith(format.marks) and (
            format.name != "bzip2" or head[4:10] in _BZIP2_BLOCKS
        ):
            if head.startswith(_DICTIONARY):
                format = format._replace(start=partial(_zstd, _read_dictionary(stream, name)))
            return io.BufferedReader(_Members(stream, format, name, warn), _BUFFER)
    return stream


def _read_dictionary(stream: io.BufferedReader, name: str) -> zstandard.ZstdCompressionDict:
    """Read the frame with the dictionary, which may be compressed itself. Raises SourceError."""
    size = int.from_bytes(stream.read(8)[4:], "little")
    reason = f"a dictionary of {size:,} bytes"
    if size <= _LARGEST_DICTIONARY:
        data = stream.read(size)
        try:
            if data.startswith(b"\x28\xb5\x2f\xfd"):
                member = zstandard.ZstdDecompressor().stream_reader(data)
                data = member.read(_LARGEST_DICTIONARY)
            return zstandard.ZstdCompressionDict(data)
        except (zstandard.ZstdError, MemoryError) as error:
            reason = str(error)
    raise SourceError(
        f"{name}: its zstd dictionary cannot be read ({reason}); fetch the file again"
    )


class _Members(io.RawIOBase):
    """The members of a compressed stream, one after the other."""

    def __init__(
        self, stream: io.BufferedReader, format: _Format, name: str, warn: Callable[[str], None]
    ) -> None:
        self._stream = stream
        self._format = format
        self._name = name
        self._warn = warn
        self._member = format.start()
        self._held = b""
        """Read and not yet decompressed."""
        self._content = memoryview(b"")
        """Decompressed and not yet taken."""
        self._ended = False

    def readable(self) -> bool:
        """True: the stream can only be read."""
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        """Fill a part of ``buffer``; return its size, 0 at the end."""
        while not self._content and not self._ended:
            self._content = memoryview(self._next())
        size = min(len(self._content), len(buffer))
        buffer[:size] = self._content[:size]
        self._content = self._content[size:]
        return size

    def _next(self) -> bytes:
        """Decompress the next piece, which may give nothing."""
        if self._member.eof and not self._begin():
            self._ended = True
            return b""
        data = b""
        if self._member.needs_input:
            data, self._held = self._held or self._stream.read(self._format.piece), b""
            if not data:
                raise self._damaged("it ends too early")
        try:
            return self._member.decompress(data, _MOST)
        except (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
            raise self._damaged(str(error)) from error
        except MemoryError as error:
            raise self._damaged("it asks for too much memory") from error

    def _begin(self) -> bool:
        """Begin the next member, if there is one. Zero bytes after a member are padding."""
        rest = self._member.unused_data.lstrip(b"\0")
        while len(rest) < _LONGEST_MARK and (data := self._stream.read(self._format.piece)):
            rest = (rest + data).lstrip(b"\0")
        if not rest.startswith(self._format.marks):
            if rest:
                self._warn(f"{self._name}: left out what follows the {self._format.name} data")
            return False
        self._member, self._held = self._format.start(), rest
        return True

    def _damaged(self, reason: str) -> SourceError:
        return SourceError(
            f"{self._name}: the {self._format.name} data is cut short or damaged ({reason}); fetch "
            "the file again"
        )
