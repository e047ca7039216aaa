"""Rates of the stages: by what is committed, and by what was written."""

import pytest

from streams.observe.lag import Flow, StageLag
from streams.observe.rates import Rates, rate_of_writes
from streams.stages.topology import BACKWARD


def _flow(done: int, **messages: int) -> Flow:
    return Flow(messages, [StageLag("backward", "segments", done, 100)])


def test_a_rate_is_what_is_committed_between_two_readings() -> None:
    times = iter((0.0, 2.0, 12.0))
    rates = Rates(clock=lambda: next(times))
    rates.update(_flow(0))
    assert rates.per_second == {}
    rates.update(_flow(10))
    assert rates.per_second == {"backward": 5.0}
    rates.update(_flow(10))
    assert rates.per_second == {"backward": 0.0}


def test_a_slow_stage_has_the_rate_of_what_it_writes() -> None:
    def rate(done: int, held: int, written: int) -> float:
        flow = _flow(done, candidates=held)
        return rate_of_writes(BACKWARD, flow, {"candidates": written}, 60)

    assert rate(done=10, held=10, written=30) == 0.5
    assert rate(done=10, held=40, written=120) == 0.5  # four samples of each passage
    assert rate(done=20, held=10, written=15) == 0.5  # half of the passages were refused
    assert rate(done=0, held=3, written=3) == pytest.approx(
        0.05
    )  # the first ones are not committed yet
    assert rate(done=10, held=10, written=0) == 0
    assert rate(done=10, held=0, written=0) == 0
