"""A release's judge: what its manifest holds to turn evidence into ratings."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from models.judging.evidence import Evidence, EvidenceKind, expected_grade
from models.judging.ordinal import Grades, OrdinalModel

VERSION = 1
"""Raised when the meaning of a figure changes. A judge of another version is not used."""


class Scale(NamedTuple):
    """The expected grades at which the rating is 2, 3 and 4. Those in between lie on lines.

    The ends, 1 and 5, stay.
    """

    two: float
    three: float
    four: float

    def applied(self, expected: float) -> float:
        """The rating of an expected grade."""
        ends = (1.0, *self, 5.0)
        grade = min(max(bisect_right(ends, expected), 1), 4)
        low, high = ends[grade - 1], ends[grade]
        return min(max(grade + (expected - low) / (high - low), 1.0), 5.0)


SAME_SCALE = Scale(2.0, 3.0, 4.0)


class OperatingPoint(NamedTuple):
    """What a threshold does on pairs that people rated.

    Where the judge has learned from too few of these, on graded human pairs, with each of the five
    grades counted alike.
    """

    threshold: float
    acceptance: float
    """Share of the pairs that are rated at least this high."""
    precision: float
    """Estimated share of those that deserve a 4 or 5. It never falls with the threshold."""
    recall: float
    """Share of the pairs that deserve a 4 or 5 that are rated at least this high."""


class Judge(BaseModel):
    """A fitted model of one kind of evidence, and how well it does on pairs it was not fitted on.

    The figures come from cross-validation: every pair is rated by a model that was fitted without
    the pairs made from the same human pair or with the same passage.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: OrdinalModel
    scale: Scale = SAME_SCALE
    """Puts expected grades on the scale of the people who rated; see ``models.judging.fitting``."""
    figures: dict[str, float]
    """See ``figures_of`` and ``figures_of_rated`` of ``models.judging.quality``."""
    curve: tuple[OperatingPoint, ...]
    """By rising threshold, from 1 to 5."""

    def score(self, probabilities: Grades) -> float:
        """The rating that follows from the probabilities of the grades, 1 to 5."""
        return self.scale.applied(expected_grade(probabilities))

    def ratings(self, evidence: Sequence[Evidence]) -> list[float]:
        """The ratings of pairs."""
        return [self.score(self.model.probabilities(each)) for each in evidence]

    def at(self, score: float) -> OperatingPoint:
        """The highest threshold that a score reaches."""
        reached = [point for point in self.curve if point.threshold <= score + 1e-9]
        return reached[-1] if reached else self.curve[0]

    def threshold_for(self, precision: float) -> OperatingPoint | None:
        """The lowest threshold of at least this precision; None where there is none."""
        return next((point for point in self.curve if point.precision >= precision), None)


class Judges(BaseModel):
    """The judges of a release, one for each kind of evidence that needs one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int
    pairs: int
    """Number of graded pairs that they were fitted on."""
    human_pairs: int
    """Number of human pairs that the graded pairs were made from."""
    rated_pairs: int = 0
    """Number of pairs that people rated among what they were fitted on."""
    combined: Judge
    likelihood: Judge
    digits: dict[str, float] = {}
    """The figures of ratings by digits alone, on the same pairs."""

    def of(self, kind: EvidenceKind) -> Judge | None:
        """The judge for a kind of evidence; None for digits, which are rated without one."""
        judges: Mapping[EvidenceKind, Judge] = {
            EvidenceKind.COMBINED: self.combined,
            EvidenceKind.LIKELIHOOD: self.likelihood,
        }
        return judges.get(kind) if self.version == VERSION else None
