"""Lines for the user about work that takes long, some seconds apart."""

import time
from collections.abc import Callable

Report = Callable[[str], None]
"""Takes one line for the user."""

_SECONDS = 3.0


def at_intervals(
    report: Report, seconds: float = _SECONDS, clock: Callable[[], float] = time.monotonic
) -> Report:
    """``report``, but lines that come less than ``seconds`` after the last one are left out."""
    due = clock() + seconds

    def throttled(line: str) -> None:
        nonlocal due
        if clock() >= due:
            report(line)
            due = clock() + seconds

    return throttled
