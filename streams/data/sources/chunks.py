"""The chunked transfer coding of HTTP/1.1 undone, RFC 9112, section 7.1."""

import re
from collections.abc import Callable

_SIZE = re.compile(rb"0*([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r\n]*)?\r\n")
"""The line before a chunk. Its extensions are unknown, and a recipient ignores those."""


def unchunked(body: bytes, warn: Callable[[str], None]) -> bytes | None:
    """The content of a chunked body, or None for a body that is not chunked.

    A body that ends without its last chunk is kept. ``warn`` is called with a sentence where a part
    of a chunk is missing or damaged: what came before is kept, as browsers do.
    """
    chunks: list[bytes] = []
    place = 0
    while size := _SIZE.match(body, place):
        start, length = size.end(), int(size[1], 16)
        if not length:
            return b"".join(chunks)
        end = body[start + length : start + length + 2]
        if not b"\r\n".startswith(end):
            break
        chunks.append(body[start : start + length])
        place = start + length + 2
    if not chunks:
        return None  # perhaps a text that begins with a number
    if not len(body) <= place <= len(body) + 2:
        warn("its body is cut short or damaged, and what came before is kept")
    return b"".join(chunks)
