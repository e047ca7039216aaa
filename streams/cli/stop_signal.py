"""Ctrl-C and SIGTERM for a command that drains."""

import signal
import sys
import time
from collections.abc import Callable


class StopSignal:
    """The first signal sets ``asked``. The second calls ``on_second`` and exits with code 130."""

    def __init__(self, on_first: Callable[[], None] = lambda: None) -> None:
        """``on_first`` is called by the signal handler."""
        self.asked = False
        self.on_second: Callable[[], None] = lambda: None
        self._on_first = on_first
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._receive)

    def wait(self, seconds: float) -> None:
        """Sleep for ``seconds``, or until a signal arrives."""
        end = time.monotonic() + seconds
        while not self.asked and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def _receive(self, *_: object) -> None:
        if self.asked:
            self.on_second()
            sys.exit(130)
        self.asked = True
        self._on_first()
