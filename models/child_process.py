"""Child processes that end with their parent, so that a kill -9 leaves nothing running. On Linux;
elsewhere nothing is done.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Ask for SIGTERM when the parent ends: for a child of ours that runs Python."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def ending_with(parent: int) -> Callable[[], None] | None:
    """The same for a program that cannot ask by itself: what is to run between fork and exec.
    ``parent`` is our process id.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(
        None
    )  # loaded before the fork: after it only async-signal-safe work is allowed

    def arm() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return arm
