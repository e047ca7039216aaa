"""A model of the probabilities of the five grades, given evidence.

Multinomial logistic regression. Each grade has its own weights, because different figures tell
different grades: a gain tells whether the parts belong together, the likelihood of the first and
last tokens whether the response is intact. ``regression.py`` fits it.
"""

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from models.judging.evidence import Evidence

Grades = tuple[float, float, float, float, float]

GRADES = 5
FARTHEST = 4.0
"""Standard deviations from the mean beyond which a figure counts no further."""


class OrdinalModel(BaseModel):
    """Coefficients for F figures, as they stand in a manifest."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    figures: tuple[str, ...]
    """[F]: names of the figures."""
    means: tuple[float, ...]
    """[F]: a figure's mean over the pairs that were fitted on."""
    scales: tuple[float, ...]
    """[F]: its standard deviation there."""
    weights: tuple[tuple[float, ...], ...]
    """[5, F]: for the grades 1 to 5."""
    offsets: Grades
    """[5]: for the grades 1 to 5."""

    def probabilities(self, evidence: Evidence) -> Grades:
        """Probabilities of the grades 1 to 5. Raises KeyError where a figure is missing."""
        return self.probabilities_of([evidence[name] for name in self.figures])

    def probabilities_of(self, row: Sequence[float]) -> Grades:
        """Probabilities of the grades for [F] figures."""
        standardized = [
            max(-FARTHEST, min(FARTHEST, (value - mean) / scale))
            for value, mean, scale in zip(row, self.means, self.scales, strict=True)
        ]
        scores = [
            offset
            + sum(weight * value for weight, value in zip(of_grade, standardized, strict=True))
            for of_grade, offset in zip(self.weights, self.offsets, strict=True)
        ]
        highest = max(scores)
        exponents = [math.exp(score - highest) for score in scores]
        total = sum(exponents)
        one, two, three, four, five = (each / total for each in exponents)
        return one, two, three, four, five

    def sharpened(self, factor: float) -> "OrdinalModel":
        """The same model with its scores times ``factor``."""
        one, two, three, four, five = (factor * offset for offset in self.offsets)
        weights = tuple(tuple(factor * weight for weight in row) for row in self.weights)
        return self.model_copy(
            update={"weights": weights, "offsets": (one, two, three, four, five)}
        )
