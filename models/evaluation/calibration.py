"""A model's ratings on people's scale: a line through what both say of the same pairs. numpy
only.
"""

from dataclasses import dataclass

import numpy as np

from models.evaluation.bootstrap import Estimate, bootstrap_interval
from models.evaluation.metrics import HumanAgreement

MIN_RATED_PAIRS = 20
"""Pairs that people must have rated before a line is fitted at all, the held-out ones among
them.
"""
_LEAST_EACH = 5
"""Under so many pairs on either side a line fits anything, or nobody can tell whether it is
better.
"""

CalibrationLine = tuple[float, float]
"""Slope and offset: the calibrated score is slope * score + offset, within 1 to 5."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A line, and what it does to the mean distance from people's scores on pairs that it was not
    fitted to.
    """

    line: CalibrationLine
    pairs: int
    """That it was measured on."""
    before: float
    """Mean distance in points without the line."""
    after: float
    change: Estimate
    """``after`` minus ``before``, with its 95% interval over the pairs."""

    @property
    def helps(self) -> bool:
        """Whether it is better by more than chance."""
        return self.change[2] < 0


def calibrate(fitted: HumanAgreement, held_out: HumanAgreement) -> Calibration | None:
    """The line of least squares through ``fitted``, measured on ``held_out``.

    None where there are too few pairs to tell, or the line does not rise: it would turn the ratings
    round, or make all alike. Pairs whose rating is not a number are left out.
    """
    fitted, held_out = _finite(fitted), _finite(held_out)
    sizes = len(fitted.scores), len(held_out.scores)
    if sum(sizes) < MIN_RATED_PAIRS or min(sizes) < _LEAST_EACH:
        return None
    line = _fit(fitted)
    if line is None:
        return None
    before = np.abs(held_out.ratings - held_out.scores)
    after = np.abs(
        np.array([calibrated(rating, line) for rating in held_out.ratings]) - held_out.scores
    )
    change = bootstrap_interval(lambda rows: float((after - before)[rows].mean()), len(before))
    return Calibration(line, len(before), float(before.mean()), float(after.mean()), change)


def calibrated(score: float, line: CalibrationLine | None) -> float:
    """A rating on people's scale, 1 to 5; only brought within the scale where there is no line."""
    slope, offset = line or (1.0, 0.0)
    return min(5.0, max(1.0, slope * score + offset))


def _fit(opinions: HumanAgreement) -> CalibrationLine | None:
    centred = opinions.ratings - opinions.ratings.mean()
    spread = float((centred**2).sum())
    slope = float((centred * opinions.scores).sum()) / spread if spread else 0.0
    return (
        (slope, float(opinions.scores.mean() - slope * opinions.ratings.mean()))
        if slope > 0
        else None
    )


def _finite(opinions: HumanAgreement) -> HumanAgreement:
    rows = np.isfinite(opinions.ratings)
    return HumanAgreement(opinions.scores[rows], opinions.ratings[rows])
