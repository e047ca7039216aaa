"""An event loop whose clock jumps to the next timer, so that hours take milliseconds."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Hung(AssertionError):
    """Every task waits, and no timer will wake one."""


class _Selector(selectors.SelectSelector):
    """Returns at once; the loop's clock is moved on instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Hung("every task waits, and no timer will wake one")
        self.now += max(0.0, timeout)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Single-threaded, without files and sockets. ``time`` starts at 0."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        """Seconds of simulated time."""
        return self._clock.now


def simulate(work: Coroutine[Any, Any, T], *, longest: float = 1e6) -> T:
    """Run to the end. Raises Hung where it never ends, TimeoutError after ``longest``."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(asyncio.wait_for(work, longest))
