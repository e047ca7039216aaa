"""The event loop of a worker process, which shares the GIL with the engine's threads."""

import asyncio
import contextlib
import gc
import sys
from collections.abc import Callable

_SWITCH_SECONDS = 0.0005
"""GIL switch interval. A replica needs the GIL for a moment between two model calls; with Python's
default it waits up to 5 ms for it.
"""


def fast_event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop factory for ``asyncio.Runner``, or None where uvloop is not installed.

    uvloop halves the CPU cost of a hop; it does not run on Windows. Changes the process: its event
    loop policy, with which faust's consumer threads make their loops, the interval after which a
    thread must release the GIL, and what the garbage collector visits: not what there is now, which
    are mostly imported modules. One visit of those takes as long as some 600 records.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(_SWITCH_SECONDS)
    with contextlib.suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        return uvloop.new_event_loop
    return None
