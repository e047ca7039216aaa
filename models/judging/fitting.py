"""Fits judges to evidence about graded pairs, and measures them by cross-validation. numpy only.

Each pair counts so that the five grades together count alike. Instructions that the release wrote
itself are among them: for another passage they have grade 1. For their own passage nobody has
graded them, so they get the probabilities of a judge that was fitted without them. Otherwise the
wording of the model would count as a fault, because every other pair that has it is wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.metrics import Array
from models.judging.evidence import Evidence, EvidenceKind
from models.judging.judge import VERSION, Judge, Judges
from models.judging.ordinal import GRADES, OrdinalModel, fit, rows_of
from models.judging.quality import balanced, figures_of, operating_points
from models.seeds.labelled import KINDS, MadePair

WRITTEN = "written"
"""A passage with the instruction that the release wrote for it. It has no grade."""
WRITTEN_FOR_ANOTHER = "written_for_another"
"""A passage with the instruction that the release wrote for another one."""

FEWEST_SOURCES = 10
"""Fewest human pairs to fit judges from."""
_FOLDS = 5
_FACTORS = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)
"""What the scores may be multiplied by, because the penalty draws the probabilities together."""
_SCALE = np.arange(1.0, GRADES + 1)


@dataclass(frozen=True, slots=True)
class GradedEvidence:
    """The evidence about a made pair. ``made.kind`` may be WRITTEN or WRITTEN_FOR_ANOTHER too."""

    made: MadePair
    evidence: Evidence


def fit_to(found: Sequence[GradedEvidence]) -> Judges | None:
    """Fit the judges of a release. None where they come from fewer than FEWEST_SOURCES pairs."""
    sources = {each.made.source for each in found}
    if len(sources) < FEWEST_SOURCES:
        return None
    measured = [each for each in found if each.made.kind in KINDS]
    digits = rows_of([each.evidence for each in measured], ("digit",)).ravel()
    return Judges(
        version=VERSION,
        pairs=len(found),
        human_pairs=len(sources),
        combined=_judge(found, EvidenceKind.COMBINED),
        likelihood=_judge(found, EvidenceKind.LIKELIHOOD),
        digits=figures_of(digits, _grades(measured), [each.made.kind for each in measured]),
    )


def _judge(found: Sequence[GradedEvidence], kind: EvidenceKind) -> Judge:
    figures = kind.figures
    measured: list[GradedEvidence] = []
    folds: list[tuple[OrdinalModel, Array]] = []
    """For each fold, a model that was fitted without it, and its figures."""
    for fold in range(_FOLDS):
        left_out = [each for each in found if each.made.source % _FOLDS == fold]
        left_out = [each for each in left_out if each.made.kind in KINDS]
        if left_out:
            model = _fitted([each for each in found if each.made.source % _FOLDS != fold], figures)
            folds.append((model, rows_of([each.evidence for each in left_out], figures)))
            measured += left_out
    grades = _grades(measured)
    factor = min(_FACTORS, key=lambda factor: _loss(_left_out(folds, factor), grades))
    rated = _left_out(folds, factor) @ _SCALE
    return Judge(
        model=_fitted(found, figures).sharpened(factor),
        figures=figures_of(rated, grades, [each.made.kind for each in measured]),
        curve=operating_points(rated, grades),
    )


def _left_out(folds: Sequence[tuple[OrdinalModel, Array]], factor: float) -> Array:
    """[N, 5] probabilities of the pairs that a model was not fitted on."""
    return np.concatenate([model.sharpened(factor).probabilities_of(rows) for model, rows in folds])


def _loss(probabilities: Array, grades: Array) -> float:
    """Nats a pair of the true grades, each grade counted alike."""
    true = probabilities[np.arange(len(grades)), grades.astype(int) - 1]
    return float(-(balanced(grades) @ np.log(np.maximum(true, 1e-12)))) / len(grades)


def ratings_of(model: OrdinalModel, evidence: Sequence[Evidence]) -> Array:
    """[N] expected grades."""
    return model.probabilities_of(rows_of(evidence, model.figures)) @ _SCALE


def _fitted(found: Sequence[GradedEvidence], figures: Sequence[str]) -> OrdinalModel:
    graded = [each for each in found if each.made.grade is not None]
    rows = rows_of([each.evidence for each in graded], figures)
    grades = _grades(graded)
    known = np.eye(GRADES)[grades.astype(int) - 1]
    weights = balanced(grades)
    model = fit(rows, known, weights, figures)
    ungraded = [each.evidence for each in found if each.made.grade is None]
    if not ungraded:
        return model
    written = rows_of(ungraded, figures)
    return fit(
        np.concatenate([rows, written]),
        np.concatenate([known, model.probabilities_of(written)]),
        np.concatenate([weights, np.ones(len(written))]),
        figures,
    )


def _grades(found: Sequence[GradedEvidence]) -> Array:
    return np.array([each.made.grade for each in found], np.float64)
