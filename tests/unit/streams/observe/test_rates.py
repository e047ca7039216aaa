"""Rates of the stages: by what is committed, and by what was written."""

import pytest

from streams.observe.lag import Flow, StageLag
from streams.observe.rates import Rates, rate_of_writes
from streams.stages.topology import BACKWARD


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _flow(done: int, **messages: int) -> Flow:
    return Flow(
        messages,
        [StageLag("segmenter", "documents", done, 0), StageLag("backward", "segments", done, 0)],
    )


def test_the_first_rate_is_the_mean_since_the_first_reading(clock: Clock) -> None:
    rates = Rates(clock)
    rates.update(_flow(1_000))  # done before we looked: no rate
    assert rates.per_second == {}
    clock.now += 2
    rates.update(_flow(1_050))
    assert rates.per_second == pytest.approx({"segmenter": 25.0, "backward": 25.0})


def test_rates_are_smoothed_and_fall_when_nothing_comes(clock: Clock) -> None:
    rates = Rates(clock)
    rates.update(_flow(0))
    clock.now += 5
    rates.update(_flow(50))
    clock.now += 5
    rates.update(_flow(50))
    assert rates.per_second["segmenter"] == pytest.approx(5.0), (
        "half of ten seconds at 10, half at 0"
    )
    clock.now += 60
    rates.update(_flow(50))
    assert rates.per_second["segmenter"] == 0.0


def test_a_group_that_was_reset_has_no_negative_rate(clock: Clock) -> None:
    rates = Rates(clock)
    rates.update(_flow(50))
    clock.now += 10
    rates.update(_flow(0))
    assert rates.per_second["segmenter"] == 0.0


def test_a_stage_that_appears_later_counts_from_nothing(clock: Clock) -> None:
    rates = Rates(clock)
    rates.update(Flow({}, []))
    clock.now += 1
    rates.update(_flow(3))
    assert rates.per_second["segmenter"] == 3.0


def test_two_readings_at_one_moment_are_no_division_by_zero(clock: Clock) -> None:
    rates = Rates(clock)
    rates.update(_flow(0))
    rates.update(_flow(50))
    assert rates.per_second == {}


def test_a_slow_stage_has_the_rate_of_what_it_writes() -> None:
    def rate(done: int, held: int, written: int) -> float:
        flow = _flow(done, candidates=held)
        return rate_of_writes(BACKWARD, flow, {"candidates": written / 60})

    assert rate(done=300, held=300, written=30) == 0.5
    assert rate(done=300, held=1200, written=120) == 0.5  # four samples of each passage
    assert rate(done=600, held=300, written=15) == 0.5  # half of the passages were refused
    assert rate(done=300, held=300, written=0) == 0
    assert rate(done=300, held=0, written=0) == 0
    # Of the first ones hardly any are committed.
    assert rate(done=0, held=3, written=3) == pytest.approx(0.05)
    assert rate(done=1, held=60, written=30) == 0.5


def test_what_smoothing_leaves_of_a_rate_becomes_none(clock: Clock) -> None:
    rates = Rates(clock)
    rates.update(_flow(0))
    clock.now += 1
    rates.update(_flow(1))
    for _ in range(30):
        clock.now += 5
        rates.update(_flow(1))
    assert rates.per_second["segmenter"] == 0.0
    assert rates.seconds_left(Flow({}, [StageLag("segmenter", "documents", 1, 9)])) is None
