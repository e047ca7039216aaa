"""Fits judges to evidence about graded and rated pairs. numpy only.

Each graded pair counts so that the five grades together count alike. Instructions that the release
wrote itself are among them: for another passage they have grade 1. For their own passage nobody has
graded them, so they get the probabilities of a judge that was fitted without them. Otherwise the
wording of the model would count as a fault, because every other pair that has it is wrong.

A pair that a person rated counts as much as a graded pair does on average. Of what models write,
rated pairs alone tell how often it deserves a 4, so the precision of a threshold is that of them,
and the ratings are put on their scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.bootstrap import bootstrap_interval
from models.evaluation.metrics import Array, rank_correlation
from models.judging.evidence import Evidence, EvidenceKind
from models.judging.judge import SAME_SCALE, VERSION, Judge, Judges, Scale
from models.judging.ordinal import GRADES, OrdinalModel
from models.judging.quality import balanced, figures_of, figures_of_rated, operating_points
from models.judging.rated import RatedEvidence
from models.judging.regression import fit, probabilities_of, rows_of
from models.seeds.labelled import KINDS

WRITTEN = "written"
"""A passage with the instruction that the release wrote for it. It has no grade."""
WRITTEN_FOR_ANOTHER = "written_for_another"
"""A passage with the instruction that the release wrote for another one."""

FEWEST_SOURCES = 10
"""Fewest human pairs to fit judges from."""
FEWEST_RATED = 50
"""Fewest rated pairs that judges learn from."""
_FOLDS = 5
_FACTORS = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)
"""What the scores may be multiplied by, because the penalty draws the probabilities together."""
_LEAST = 1e-6
"""Distance of two grades on a scale where nobody gave the one between."""
_SCALE = np.arange(1.0, GRADES + 1)


@dataclass(frozen=True, slots=True)
class GradedEvidence:
    """The evidence about a pair that was made from a human pair."""

    source: int
    """Number of the human pair."""
    kind: str
    """One of KINDS, WRITTEN or WRITTEN_FOR_ANOTHER."""
    grade: int | None
    """1 to 5; None where nobody knows it."""
    evidence: Evidence


def fit_to(graded: Sequence[GradedEvidence], rated: Sequence[RatedEvidence] = ()) -> Judges | None:
    """Fit the judges of a release. None where ``graded`` has fewer than FEWEST_SOURCES sources.

    They learn from ``rated`` where there are at least FEWEST_RATED.
    """
    sources = {each.source for each in graded}
    if len(sources) < FEWEST_SOURCES:
        return None
    learned = rated if len(rated) >= FEWEST_RATED else ()
    measured = [each for each in graded if each.kind in KINDS]
    digits = rows_of([each.evidence for each in measured], ("digit",)).ravel()
    return Judges(
        version=VERSION,
        pairs=len(graded),
        human_pairs=len(sources),
        rated_pairs=len(learned),
        combined=_judge(graded, learned, EvidenceKind.COMBINED),
        likelihood=_judge(graded, learned, EvidenceKind.LIKELIHOOD),
        digits=figures_of(digits, _grades(measured), [each.kind for each in measured]),
    )


def _judge(
    graded: Sequence[GradedEvidence], rated: Sequence[RatedEvidence], kind: EvidenceKind
) -> Judge:
    """Fit the judge of one kind of evidence, and measure it by cross-validation.

    What was made from one human pair is in one part, and so is what has one passage.
    """
    figures = kind.figures
    measured: list[GradedEvidence] = []
    tested: list[RatedEvidence] = []
    of_graded: list[tuple[OrdinalModel, Array]] = []
    """For each part, a model that was fitted without it, and its figures."""
    of_rated: list[tuple[OrdinalModel, Array]] = []
    for part in range(_FOLDS):
        left_out = [each for each in graded if each.source % _FOLDS == part and each.kind in KINDS]
        left_rated = [each for each in rated if _part(each) == part]
        if not left_out and not left_rated:
            continue
        model = _fitted(
            [each for each in graded if each.source % _FOLDS != part],
            [each for each in rated if _part(each) != part],
            figures,
        )
        if left_out:
            of_graded.append((model, rows_of([each.evidence for each in left_out], figures)))
            measured += left_out
        if left_rated:
            of_rated.append((model, rows_of([each.evidence for each in left_rated], figures)))
            tested += left_rated
    grades, scores = _grades(measured), np.array([each.score for each in tested], np.float64)

    def loss(factor: float) -> float:
        lost = _loss(_left_out(of_graded, factor), grades, balanced(grades))
        if tested:
            lost += _loss(_left_out(of_rated, factor), scores, np.ones(len(scores)))
        return lost / (len(grades) + len(scores))

    factor = min(_FACTORS, key=loss)
    scale, people = SAME_SCALE, dict[str, float]()
    if tested:
        expected = _left_out(of_rated, factor) @ _SCALE
        scale = _equated(expected, scores)
        rated_again = _applied(scale, expected)
        people = figures_of_rated(rated_again, scores)
        curve = operating_points(rated_again, scores, np.ones(len(scores)))
    ratings = _applied(scale, _left_out(of_graded, factor) @ _SCALE)
    if not tested:
        curve = operating_points(ratings, grades, balanced(grades))
    return Judge(
        model=_fitted(graded, rated, figures).sharpened(factor),
        scale=scale,
        figures=figures_of(ratings, grades, [each.kind for each in measured]) | people,
        curve=curve,
    )


def _part(rated: RatedEvidence) -> int:
    return int(rated.passage, 16) % _FOLDS


def _equated(expected: Array, scores: Array) -> Scale:
    """The scale on which as many pairs reach a 2, 3 and 4 as people gave at least that grade.

    A judge that tells little gives expected grades near the mean, so that few would reach a 4 where
    people gave many. (Equipercentile equating: Kolen and Brennan, Test Equating, chapter 2.) Where
    the interval of the rank correlation includes 0, the grades stay as they are.
    """
    _, low, _ = bootstrap_interval(
        lambda rows: rank_correlation(expected[rows], scores[rows]), len(scores)
    )
    if not low > 0:
        return SAME_SCALE
    two, three, four = (
        float(np.quantile(expected, (scores < grade).mean())) for grade in (2, 3, 4)
    )
    return Scale(two, three + _LEAST, four + 2 * _LEAST)


def _left_out(parts: Sequence[tuple[OrdinalModel, Array]], factor: float) -> Array:
    """[N, 5] probabilities of the pairs that a model was not fitted on."""
    return np.concatenate(
        [probabilities_of(model.sharpened(factor), rows) for model, rows in parts]
    )


def _applied(scale: Scale, expected: Array) -> Array:
    return np.array([scale.applied(each) for each in expected.tolist()], np.float64)


def _loss(probabilities: Array, grades: Array, weights: Array) -> float:
    """Nats of the true grades."""
    true = probabilities[np.arange(len(grades)), grades.astype(int) - 1]
    return float(-(weights @ np.log(np.maximum(true, 1e-12))))


def _fitted(
    graded: Sequence[GradedEvidence], rated: Sequence[RatedEvidence], figures: Sequence[str]
) -> OrdinalModel:
    known = [each for each in graded if each.grade is not None]
    grades, scores = _grades(known), np.array([each.score for each in rated], np.float64)
    evidence = [*(each.evidence for each in known), *(each.evidence for each in rated)]
    rows = rows_of(evidence, figures)
    goals = np.eye(GRADES)[np.concatenate([grades, scores]).astype(int) - 1]
    weights = np.concatenate([balanced(grades), np.ones(len(scores))])
    model = fit(rows, goals, weights, figures)
    ungraded = [each.evidence for each in graded if each.grade is None]
    if not ungraded:
        return model
    written = rows_of(ungraded, figures)
    return fit(
        np.concatenate([rows, written]),
        np.concatenate([goals, probabilities_of(model, written)]),
        np.concatenate([weights, np.ones(len(written))]),
        figures,
    )


def _grades(graded: Sequence[GradedEvidence]) -> Array:
    return np.array([each.grade for each in graded], np.float64)
