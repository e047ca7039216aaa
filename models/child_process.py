"""Child processes that end with their parent, even after ``kill -9``. Linux only.

On other systems these functions do nothing.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Request SIGTERM for this process when its parent ends. For a child that runs Python."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def ending_with(parent: int) -> Callable[[], None] | None:
    """The same for a child that runs another program: a function to call between fork and exec.

    ``parent`` is the id of the calling process. None where the system is not Linux.
    """
    if sys.platform != "linux":
        return None
    # Loaded before the fork: after it, only async-signal-safe functions may be called.
    libc = ctypes.CDLL(None)

    def arm() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return arm
