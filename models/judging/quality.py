"""How good ratings of graded pairs are. numpy only."""

from collections.abc import Sequence

import numpy as np

from models.evaluation.metrics import KEPT_LABEL, Array, auc, rank_correlation
from models.judging.judge import OperatingPoint
from models.seeds.labelled import BORROWED, HARD, RANDOM, TRUE

_STEP = 0.1

JUDGE_FIGURES = {
    "auc_random": "AUC, random instructions",
    "auc_hard": "AUC, hard instructions",
    "auc_borrowed": "AUC, borrowed words",
    "correlation": "rank correlation with the grades",
    "error": "mean distance from the grade",
    "calibration_error": "calibration error",
    "rated_correlation": "rank correlation with human ratings",
    "rated_auc": "AUC of pairs that people gave a 4 or 5",
    "rated_accepted": "share rated 4 or more",
    "rated_deserving": "share that people gave a 4 or 5",
}
"""Figures of ``figures_of`` and ``figures_of_rated``, with their names for people."""


def figures_of(ratings: Array, grades: Array, kinds: Sequence[str]) -> dict[str, float]:
    """Figures of [N] ratings of pairs with these grades.

    - ``auc_random``, ``auc_hard``, ``auc_borrowed``: probability that a true pair is rated above
      one with a random request, one with a request that shares a rare word, and one with a random
      request whose rare words are those of the response; a tie counts half.
    - ``correlation``: Spearman's rank correlation with the grades.
    - ``error``: mean distance from the grade, in points, with each grade counted alike.
    - ``calibration_error``: mean distance of mean rating and mean grade over ten groups of pairs by
      rating, in points, with each grade counted alike.

    A figure whose pairs are missing is left out.
    """
    which, weights = np.array(kinds), balanced(grades)
    true = ratings[which == TRUE]
    found: dict[str, float] = {}
    for name, kind in (("random", RANDOM), ("hard", HARD), ("borrowed", BORROWED)):
        wrong = ratings[which == kind]
        if len(true) and len(wrong):
            found[f"auc_{name}"] = auc(true, wrong)
    groups = np.array_split(np.argsort(ratings, kind="stable"), min(10, len(ratings)))
    return found | {
        "correlation": rank_correlation(ratings, grades),
        "error": float(weights @ np.abs(ratings - grades)) / len(ratings),
        "calibration_error": sum(
            abs(float(weights[each] @ (ratings[each] - grades[each]))) for each in groups
        )
        / len(ratings),
    }


def figures_of_rated(ratings: Array, scores: Array) -> dict[str, float]:
    """Figures of [N] ratings of pairs that people gave these scores.

    - ``rated_correlation``: Spearman's rank correlation with the scores.
    - ``rated_auc``: probability that a pair with a score of 4 or 5 is rated above another one.
    - ``rated_accepted``, ``rated_deserving``: shares of the pairs that are rated 4 or more, and
      that people gave a 4 or 5.

    A figure whose pairs are missing is left out.
    """
    good = scores >= KEPT_LABEL
    found = {"rated_auc": auc(ratings[good], ratings[~good])} if 0 < good.sum() < len(good) else {}
    return found | {
        "rated_correlation": rank_correlation(ratings, scores),
        "rated_accepted": float((ratings >= KEPT_LABEL).mean()),
        "rated_deserving": float(good.mean()),
    }


def figures_at(threshold: float, ratings: Array, grades: Array, weights: Array) -> dict[str, float]:
    """Figures of a threshold, where the pairs count by [N] ``weights``.

    - ``acceptance``: share of the pairs that are rated at least ``threshold``.
    - ``precision``: share of these with grade 4 or 5; 0 where there are none.
    - ``recall``: share of the pairs with grade 4 or 5 that are rated at least ``threshold``.
    """
    relevant, accepted = grades >= KEPT_LABEL, ratings >= threshold
    kept, good = float(weights[accepted].sum()), float(weights[accepted & relevant].sum())
    return {
        "acceptance": kept / float(weights.sum()),
        "precision": good / kept if kept else 0.0,
        "recall": good / max(float(weights[relevant].sum()), 1e-12),
    }


def balanced(grades: Array) -> Array:
    """[N] weights that give each grade that occurs the same sum, and the rows a mean of 1."""
    values, place, counts = np.unique(grades, return_inverse=True, return_counts=True)
    return (len(grades) / (len(values) * counts))[place]


def operating_points(ratings: Array, grades: Array, weights: Array) -> tuple[OperatingPoint, ...]:
    """What each threshold does, where the pairs count by [N] ``weights``.

    One pair that deserves a 4 or 5 and one that does not are added to those that are accepted
    (Laplace's rule of succession), so that a few pairs give no certainty. The precision of a
    threshold is the highest of those up to it, so that it never falls.
    """
    found: list[OperatingPoint] = []
    precision = 0.0
    for threshold in np.round(np.arange(1.0, 5.0 + _STEP / 2, _STEP), 1).tolist():
        at = figures_at(threshold, ratings, grades, weights)
        accepted = int((ratings >= threshold).sum())
        precision = max(precision, (at["precision"] * accepted + 1) / (accepted + 2))
        found.append(OperatingPoint(threshold, at["acceptance"], precision, at["recall"]))
    return tuple(found)
