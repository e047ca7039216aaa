"""Bootstrap intervals of statistics. numpy only."""

from collections.abc import Callable, Mapping

import numpy as np

from models.evaluation.estimate import Estimate

_RESAMPLES = 2000


def bootstrap_interval(statistic: Callable[[np.ndarray], float], rows: int) -> Estimate:
    """Estimate a statistic of ``rows`` rows, with its 95% percentile bootstrap interval.

    ``statistic`` is called with row numbers, [rows], of which some are repeated.
    """
    return bootstrap_intervals(lambda drawn: {"": statistic(drawn)}, rows)[""]


def bootstrap_intervals(
    statistics: Callable[[np.ndarray], Mapping[str, float]], rows: int
) -> dict[str, Estimate]:
    """Estimate several statistics of the same rows, by name.

    Each resample is drawn once and used for all of them. Where a statistic is NaN in any resample,
    the ends of its interval are NaN.
    """
    generator = np.random.default_rng(0)
    drawn = [statistics(generator.integers(0, rows, rows)) for _ in range(_RESAMPLES)]
    found: dict[str, Estimate] = {}
    for name, value in statistics(np.arange(rows)).items():
        low, high = np.percentile([each[name] for each in drawn], [2.5, 97.5])
        found[name] = (float(value), float(low), float(high))
    return found
