"""How many messages a second the stages process."""

import time
from collections.abc import Callable

from streams.observe.lag import Flow

_SMOOTH_SECONDS = 10.0


class Rates:
    """Messages per second of each stage, smoothed over ten seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: tuple[float, dict[str, int]] | None = None
        self.per_second: dict[str, float] = {}

    def update(self, flow: Flow) -> None:
        """Add a measurement."""
        now, done = self._clock(), {stage.stage: stage.done for stage in flow.stages}
        if self._last is not None and now > self._last[0]:
            elapsed = now - self._last[0]
            share = min(1.0, elapsed / _SMOOTH_SECONDS)
            for name, count in done.items():
                rate = max(0.0, (count - self._last[1].get(name, 0)) / elapsed)
                self.per_second[name] = (1 - share) * self.per_second.get(name, rate) + share * rate
        self._last = (now, done)
