"""How many messages a second the stages process."""

import time
from collections.abc import Callable, Mapping

from streams.observe.lag import Flow
from streams.stages.topology import StageSpec

_SMOOTH_SECONDS = 10.0
_LEAST = 1 / 600
"""A rate below one message in ten minutes counts as none: it is what smoothing left of an earlier
one, and gives a time that means nothing.
"""
_FEW = 32
"""Fewer messages do not tell what a stage writes for each: it has written for some that it has not
committed.
"""


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
                smoothed = (1 - share) * self.per_second.get(name, rate) + share * rate
                self.per_second[name] = smoothed if smoothed >= _LEAST else 0.0
        self._last = (now, done)

    def seconds_left(self, flow: Flow) -> float | None:
        """How long the slowest stage needs for what lies before it.

        None where nothing is to do, or where a stage with something to do did nothing just now.
        """
        behind = [stage for stage in flow.stages if stage.lag]
        left = [stage.lag / rate for stage in behind if (rate := self.per_second.get(stage.stage))]
        return max(left) if left and len(left) == len(behind) else None


def rate_of_writes(spec: StageSpec, flow: Flow, written: Mapping[str, float]) -> float:
    """Messages per second that a stage processes, by what it writes.

    ``written`` has the messages a second that were written to each topic. Needs one reading, where
    ``Rates`` needs two, between which a stage that takes long commits nothing. What the stage
    writes for a message is taken to be what it wrote for each so far, or one message while few are
    done. Other stages may write to the same topic, so this is an estimate.
    """
    output = spec.outputs[0].name
    if not (held := flow.messages.get(output)):
        return 0.0
    done = sum(stage.done for stage in flow.stages if stage.stage == spec.name)
    return written.get(output, 0.0) * (done / held if done >= _FEW else 1.0)
