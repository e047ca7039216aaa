"""What the report says about times and memory."""

import pytest

from tests.chaos.result import percentile
from tests.chaos.soak import Sample, slope_an_hour
from tests.chaos.watch import Sample as Offsets
from tests.chaos.watch import Watch


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile([3.0], 0.99) == 3.0
    assert percentile([], 0.5) is None


def test_the_slope_of_memory_is_that_after_the_warm_up() -> None:
    warm_up = [Sample(minute / 10, 100 + 50 * minute, 10, 5) for minute in range(50)]
    steady = [Sample(5 + n / 12, 400 + 2 * (5 + n / 12) / 60, 10, 5) for n in range(300)]
    slope, low, high = slope_an_hour([*warm_up, *steady])
    assert slope == pytest.approx(2, abs=0.01)
    assert low <= slope <= high


def _watch(*samples: tuple[float, int]) -> Watch:
    """Of stages that all have committed so much of 10 at these times, in one partition."""
    watch = Watch("nowhere")
    places = [(stage, 0) for stage in ("segmenter", "backward", "scorer", "curator")]
    for at, committed in samples:
        watch.samples.append(
            Offsets(at, dict.fromkeys(places, committed), dict.fromkeys(places, 10))
        )
    return watch


def test_recovery_ends_with_committed_progress_of_every_stage() -> None:
    watch = _watch((1.0, 4), (3.0, 4), (5.0, 6))
    assert watch.recovered(2.0) == 3.0
    assert watch.recovered(5.0) is None
    one_is_left = Offsets(7.0, {**watch.last.committed, ("scorer", 0): 4}, watch.last.ends)
    watch.samples[-1] = one_is_left
    assert watch.recovered(2.0) is None


def test_idle_is_nothing_left_and_nothing_that_moves() -> None:
    assert not _watch((1.0, 8), (9.0, 9)).idle(10, 0, 3.0), "one is left"
    assert not _watch((1.0, 9), (9.0, 10), (10.0, 10)).idle(10, 0, 3.0), "it has just moved"
    assert _watch((1.0, 10), (9.0, 10)).idle(10, 0, 3.0)
    assert not _watch((1.0, 10), (9.0, 10)).idle(11, 0, 3.0), "a document is not there yet"
    assert _watch((1.0, 8), (9.0, 8)).idle(10, 8, 3.0), "no more is left than there are markers"
