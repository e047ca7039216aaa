"""Ctrl-C and SIGTERM for a command that drains."""

import signal
import sys
import time
from collections.abc import Callable


class StopSignal:
    """The first signal sets ``asked``. The second calls ``on_second`` and exits with code 130."""

    def __init__(self) -> None:
        self.asked = False
        self.on_second: Callable[[], None] = lambda: None
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
