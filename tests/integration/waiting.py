"""Waiting for a condition, with a limit."""

import time
from collections.abc import Callable


def wait_until(reached: Callable[[], bool], seconds: float = 270) -> None:
    """Return once ``reached`` is true. Fails the test where it is not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"not reached in {seconds} s"
        time.sleep(0.1)
