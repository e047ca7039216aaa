"""The event loop of a worker, and how the process shares Python's lock between it and the
engine.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable

_LOCK_SECONDS = 0.0005
"""Between two calls of its model a replica needs Python's lock for a moment; by Python's default it
waits up to 5 ms for it.
"""


def fast_event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """A factory for ``asyncio.Runner``: uvloop's loop, which halves the cost of a hop, or None
    where there is none (Windows).

    Changes the process: its event loop policy, by which faust's consumer threads make loops of
    their own, and the interval after which a thread must give up Python's lock.
    """
    sys.setswitchinterval(_LOCK_SECONDS)
    with contextlib.suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        return uvloop.new_event_loop
    return None
