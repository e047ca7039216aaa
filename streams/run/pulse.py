"""Whether the event loop of a process turns: what ``/live`` answers."""

import asyncio
import time
from collections.abc import Callable
from typing import NoReturn

_BEAT_SECONDS = 1.0
_BLOCKED_SECONDS = 60.0
"""Nothing that runs on the event loop takes as long. A restart frees the process."""


class Pulse:
    """Notes the time on an event loop. ``blocked`` may be called by another thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beat = clock()

    async def run(self) -> NoReturn:
        """Beat until cancelled."""
        while True:
            self._beat = self._clock()
            await asyncio.sleep(_BEAT_SECONDS)

    def blocked(self) -> str | None:
        """Why the process is not live, or None."""
        seconds = self._clock() - self._beat
        if seconds <= _BLOCKED_SECONDS:
            return None
        return f"the event loop has been blocked for {seconds:.0f} s"
