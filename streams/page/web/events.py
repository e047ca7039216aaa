"""Server-sent events: that something has changed, so that a page asks for its parts again."""

import asyncio
from collections.abc import AsyncIterator, Callable

_LOOK_SECONDS = 0.5
_LEAST_SECONDS = 1.0
"""Between two events."""
_SILENCE_SECONDS = 15.0
"""After which a comment is sent, so that proxies keep the connection."""
MOST_LISTENERS = 64


async def changes(version: Callable[[], int], stopping: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield an event for the present version, and one after each change, at most one a second."""
    told, silent = -1, 0.0
    while not stopping():
        now = version()
        if now != told:
            told, silent = now, 0.0
            yield f"event: change\ndata: {now}\n\n".encode()
            await asyncio.sleep(_LEAST_SECONDS)
            continue
        await asyncio.sleep(_LOOK_SECONDS)
        silent += _LOOK_SECONDS
        if silent >= _SILENCE_SECONDS:
            silent = 0.0
            yield b": nothing new\n\n"
