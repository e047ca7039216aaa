"""The threads that engines of one process share."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from models.engine.device import usable_cpus


class ThreadBudget:
    """So many threads may compute at once, whichever engine they belong to. Who has waited longest
    goes first.
    """

    def __init__(self, threads: int | None = None) -> None:
        """``threads`` defaults to the CPUs that this process may use."""
        self._threads = threads or usable_cpus()
        self._free = self._threads
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()  # guards all of the above

    @contextmanager
    def taken(self, threads: int) -> Iterator[None]:
        """Wait for so many threads, or for all where there are fewer, and hold them for the
        block.
        """
        wanted, ticket = min(threads, self._threads), object()
        with self._changed:
            self._waiting.append(ticket)
            self._changed.wait_for(lambda: self._waiting[0] is ticket and self._free >= wanted)
            self._waiting.popleft()
            self._free -= wanted
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()
