"""Calibration of a model's ratings to human ratings by a linear fit. numpy only."""

from dataclasses import dataclass

import numpy as np

from models.evaluation.bootstrap import bootstrap_interval
from models.evaluation.estimate import Estimate
from models.evaluation.metrics import HumanAgreement

MIN_RATED_PAIRS = 20
"""Fewest human-rated pairs for a fit, the held-out ones included."""
_MIN_EACH = 5
"""Fewest pairs to fit to, and fewest held-out pairs to measure on."""

CalibrationLine = tuple[float, float]
"""Slope and offset: the calibrated score is slope * score + offset, within 1 to 5."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A calibration line and its mean absolute error, in points, on held-out human ratings."""

    line: CalibrationLine
    pairs: int
    """Number of held-out pairs."""
    before: float
    """Error without the line."""
    after: float
    """Error with the line."""
    change: Estimate
    """``after`` minus ``before``, with its 95% bootstrap interval over the pairs."""

    @property
    def helps(self) -> bool:
        """Whether the whole interval of the change is below 0."""
        return self.change[2] < 0


def calibrate(fitted: HumanAgreement, held_out: HumanAgreement) -> Calibration | None:
    """Fit a line to ``fitted`` by least squares, and measure it on ``held_out``.

    None where there are too few pairs, or where the slope is not positive: such a line would
    reverse the order of the ratings or make them all equal. Pairs whose rating is NaN are left out.
    """
    fitted, held_out = _finite(fitted), _finite(held_out)
    sizes = len(fitted.scores), len(held_out.scores)
    if sum(sizes) < MIN_RATED_PAIRS or min(sizes) < _MIN_EACH:
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
    """Apply a calibration line to a rating, if there is one, and clip it to 1 to 5."""
    slope, offset = line or (1.0, 0.0)
    return min(5.0, max(1.0, slope * score + offset))


def _fit(rated: HumanAgreement) -> CalibrationLine | None:
    centred = rated.ratings - rated.ratings.mean()
    spread = float((centred**2).sum())
    # Centred scores: where all scores are equal, the slope is exactly 0, without a rounding error.
    covariance = float((centred * (rated.scores - rated.scores.mean())).sum())
    slope = covariance / spread if spread else 0.0
    if not slope > 0:
        return None
    return slope, float(rated.scores.mean() - slope * rated.ratings.mean())


def _finite(rated: HumanAgreement) -> HumanAgreement:
    rows = np.isfinite(rated.ratings)
    return HumanAgreement(rated.scores[rows], rated.ratings[rows])
