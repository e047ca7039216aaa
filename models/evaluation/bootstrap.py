"""95% intervals by resampling: how far chance could move a figure. numpy only."""

from collections.abc import Callable, Mapping

import numpy as np

Estimate = tuple[float, float, float]
"""A value and the ends of its 95% interval."""

_RESAMPLES = 2000


def bootstrap_interval(statistic: Callable[[np.ndarray], float], rows: int) -> Estimate:
    """A statistic of row numbers, with its 95% percentile bootstrap interval over the rows."""
    return bootstrap_intervals(lambda drawn: {"": statistic(drawn)}, rows)[""]


def bootstrap_intervals(
    statistics: Callable[[np.ndarray], Mapping[str, float]], rows: int
) -> dict[str, Estimate]:
    """The same for statistics of the same rows by name: each resample is drawn once, for all of
    them together.

    Where a statistic of any resample is not a number, neither is an end of its interval.
    """
    generator = np.random.default_rng(0)
    drawn = [statistics(generator.integers(0, rows, rows)) for _ in range(_RESAMPLES)]
    found: dict[str, Estimate] = {}
    for name, value in statistics(np.arange(rows)).items():
        low, high = np.percentile([each[name] for each in drawn], [2.5, 97.5])
        found[name] = (float(value), float(low), float(high))
    return found
