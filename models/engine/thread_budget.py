"""The threads that the engines of one process share."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from models.engine.device import usable_cpus


class ThreadBudget:
    """Bounds how many threads compute at once. The engine that has waited longest goes first."""

    def __init__(self, threads: int | None = None) -> None:
        """``threads`` defaults to the CPUs that this process may use."""
        self._threads = threads or usable_cpus()
        self._free = self._threads
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()  # guards all of the above

    @contextmanager
    def acquired(self, threads: int) -> Iterator[None]:
        """Wait for a number of threads, and hold them for the block.

        A number that is larger than the whole budget waits for all of it.
        """
        wanted, place = min(threads, self._threads), object()
        with self._changed:
            self._waiting.append(place)
            self._changed.wait_for(lambda: self._waiting[0] is place and self._free >= wanted)
            self._waiting.popleft()
            self._free -= wanted
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()
