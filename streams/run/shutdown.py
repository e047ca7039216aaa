"""The deadline of a shutdown: the process ends by then, whatever it is doing."""

import contextlib
import faulthandler
import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)
ABORTED = 130
"""Exit status after a second signal, as of a shell command that SIGINT ended."""
_LATE = 1
_STANDARD_ERROR = 2
_ALARM_SHARE, _LEAST_ALARM_SECONDS = 0.2, 1.0
"""How long after the end of the time the alarm comes, as a share of it, and at least."""


class ShutdownDeadline:
    """Ends the process ``seconds`` after ``begin``, whatever it is doing then.

    A thread reports it and exits with status 1. Where that thread cannot run, because other code
    holds the GIL or the interpreter is being finalized, the kernel's alarm ends the process a
    little later.
    """

    def __init__(
        self, seconds: float, name: str, at_last: Callable[[], None] = lambda: None
    ) -> None:
        """``name`` stands in the message. ``at_last`` is called before the exit."""
        self._seconds = seconds
        self._name = name
        self._at_last = at_last
        # Unlike an event's, its methods may be called by a signal handler at any moment.
        self._begun: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._end: float | None = None
        threading.Thread(target=self._watch, name="shutdown", daemon=True).start()

    def begin(self) -> None:
        """Start the time. Later calls change nothing. Safe in a signal handler."""
        if self._end is None:
            self._end = time.monotonic() + self._seconds
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            late = max(_LEAST_ALARM_SECONDS, _ALARM_SHARE * self._seconds)
            signal.setitimer(signal.ITIMER_REAL, self._seconds + late)
            self._begun.put(self._end)

    @property
    def left(self) -> float:
        """Seconds until the process is ended; all of them before ``begin``."""
        return self._seconds if self._end is None else max(0.0, self._end - time.monotonic())

    def _watch(self) -> None:
        end = self._begun.get()
        time.sleep(max(0.0, end - time.monotonic()))
        with contextlib.suppress(Exception):
            self._at_last()
        with contextlib.suppress(Exception):
            os.write(
                _STANDARD_ERROR,
                f"backstream: {self._name} did not stop within {self._seconds:g} s and was ended; "
                "what was in flight is processed again after the next start\n".encode(),
            )
            if log.isEnabledFor(logging.INFO):
                faulthandler.dump_traceback(_STANDARD_ERROR)
        os._exit(_LATE)


def stop_at(
    signals: Sequence[signal.Signals], stop: Callable[[], None], deadline: ShutdownDeadline
) -> None:
    """Call ``stop`` at the first of these signals; at the second, end the process with status 130.

    ``stop`` is called by a signal handler. The deadline begins with it.
    """

    def handle(*_: object) -> None:
        if received:
            # Not SystemExit: with it the process was seen to hang while the event loop closes.
            os._exit(ABORTED)
        received.append(True)
        deadline.begin()
        stop()

    received: list[bool] = []
    for number in signals:
        signal.signal(number, handle)
