"""Streams of UTF-16 in UTF-8, so that lines can be found by their bytes."""

import codecs
import io

_PIECE = 1 << 18
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def in_utf8(stream: io.BufferedReader) -> io.BufferedReader:
    """A stream with a byte order mark of UTF-16 in UTF-8; any other one as it is."""
    if stream.peek(2).startswith(_MARKS):
        return io.BufferedReader(_InUtf8(stream))
    return stream


class _InUtf8(io.RawIOBase):
    """A stream of UTF-16 with a byte order mark, in UTF-8."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-16")("replace")
        self._held = b""

    def readable(self) -> bool:
        """True: the stream can only be read."""
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        """Fill a part of ``buffer``; return its size, 0 at the end."""
        data = b"more"
        while not self._held and data:
            data = self._stream.read(_PIECE)
            self._held = self._decoder.decode(data, final=not data).encode()
        size = min(len(self._held), len(buffer))
        buffer[:size] = self._held[:size]
        self._held = self._held[size:]
        return size
