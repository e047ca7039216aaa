"""The payloads of compressed record batches, decompressed up to a limit.

The clients' own decompression has no limit: four megabytes of gzip can become four gigabytes.
"""

import struct
import zlib
from collections.abc import Iterator

import cramjam
import lz4.frame
import zstandard

from schemas.errors import WireError

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
_NAMES = {GZIP: "gzip", SNAPPY: "snappy", LZ4: "lz4", ZSTD: "zstd"}
_GZIP_WINDOW = 31
"""zlib's way to say: a window of 32 kB, and a gzip header."""
_CHUNK = 256 * 1024
_XERIAL = b"\x82SNAPPY\0"
"""How the framing of snappy-java begins, which Java's clients and librdkafka write."""
_XERIAL_HEADER = 16
_LENGTH = struct.Struct(">i")


def decompress(codec: int, data: memoryview, limit: int, into: bytearray) -> bool:
    """Append the payload of a record batch to ``into``, up to a chunk beyond ``limit`` bytes.

    Returns False where the payload is longer than that. Raises WireError for a codec that Kafka
    does not have, and for data that is not of the codec.
    """
    if codec not in _NAMES:
        raise WireError(f"there is no compression codec {codec}")
    end = len(into) + limit
    try:
        for chunk in _CHUNKS[codec](data, limit):
            into += chunk
            if len(into) > end:
                return False
    except Exception as error:  # each library has types of its own
        raise WireError(f"the {_NAMES[codec]} payload cannot be decompressed: {error}") from error
    return True


def _gzip(data: memoryview, limit: int) -> Iterator[bytes]:
    rest: memoryview | bytes = data
    while rest:  # a stream may have several members
        member = zlib.decompressobj(_GZIP_WINDOW)
        while not member.eof:
            chunk = member.decompress(rest, _CHUNK)
            rest = member.unconsumed_tail
            if not chunk and not rest and not member.eof:
                raise ValueError("it is cut short")
            yield chunk
        rest = member.unused_data


def _snappy(data: memoryview, limit: int) -> Iterator[bytes]:
    if data[: len(_XERIAL)] != _XERIAL:
        yield _snappy_block(data, limit)
        return
    at = _XERIAL_HEADER
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if not 0 <= length <= len(data) - at:
            raise ValueError(f"a block of {length} bytes, where {len(data) - at} are left")
        yield _snappy_block(data[at : at + length], limit)
        at += length


def _snappy_block(block: memoryview, limit: int) -> bytes:
    length = cramjam.snappy.decompress_raw_len(block)
    if length > limit:
        raise ValueError(f"a block of {length} bytes is longer than {limit}")
    return bytes(cramjam.snappy.decompress_raw(block))


def _lz4(data: memoryview, limit: int) -> Iterator[bytes]:
    rest: memoryview | bytes = data
    while rest:
        frame = lz4.frame.LZ4FrameDecompressor()
        while not frame.eof:
            chunk = frame.decompress(rest, max_length=_CHUNK)
            rest = b""
            if not chunk and frame.needs_input and not frame.eof:
                raise ValueError("it is cut short")
            yield chunk
        rest = frame.unused_data or b""


def _zstd(data: memoryview, limit: int) -> Iterator[bytes]:
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


_CHUNKS = {GZIP: _gzip, SNAPPY: _snappy, LZ4: _lz4, ZSTD: _zstd}
