"""A release's judge: what its manifest holds to turn evidence into ratings."""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from models.judging.evidence import EvidenceKind
from models.judging.ordinal import OrdinalModel

VERSION = 1
"""Raised when the meaning of a figure changes. A judge of another version is not used."""


class OperatingPoint(NamedTuple):
    """What a threshold does on graded pairs, each of the five grades counted alike."""

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
    the pairs made from the same human pair.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: OrdinalModel
    figures: dict[str, float]
    """See ``models.judging.quality.figures_of``."""
    curve: tuple[OperatingPoint, ...]
    """By rising threshold, from 1 to 5."""

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
