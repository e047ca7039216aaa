"""Measurements of a model on held-out pairs, and metrics of any selection of them. numpy only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

KEPT_LABEL = 4
"""Lowest label of a pair to keep: the paper trains on pairs of 4 and of 5."""
_MISMATCHED_LABEL = 2
"""Highest label of a mismatched pair."""


@dataclass(frozen=True, slots=True)
class Measurements:
    """Measurements of N held-out pairs, and of L labelled pairs made from each."""

    pairs: tuple[int, ...]
    """[N]: numbers of the given pairs that fit the model's context."""
    instruction: Array
    """[N, 2]: nats and tokens of the instruction, given the response."""
    response: Array
    """[N, 2]: nats and tokens of the response, given the instruction and the tag of human data."""
    labels: tuple[int, ...]
    """[L]: correct grade of each labelled pair; 5 is the pair itself."""
    ratings: Array
    """[N, L]: expected rating of each labelled pair."""

    def of(self, pairs: Sequence[int]) -> "Measurements":
        """Select pairs by their numbers. Each must have been measured."""
        rows = [self.pairs.index(pair) for pair in pairs]
        return Measurements(
            tuple(pairs),
            self.instruction[rows],
            self.response[rows],
            self.labels,
            self.ratings[rows],
        )

    def metrics(self, threshold: float, rows: Array | None = None) -> dict[str, float]:
        """Metrics over ``rows``, by default all. A row may be repeated.

        - ``instruction_nll`` and ``response_nll``: nats a token.
        - ``rating_auc``: probability that a true pair (label 5) is rated above a mismatched pair
          (1 or 2); a tie counts half.
        - ``rating_precision``: fraction with label 4 or 5 of the pairs rated at least
          ``threshold``; 0 where there are none.
        - ``rating_recall``: fraction rated at least ``threshold`` of the pairs with label 4 or 5.
        - ``rating_correlation``: Spearman's rank correlation of rating and label; 0 where either is
          constant.
        - ``rating_error``: mean absolute difference of rating and label, in points.
        - ``rating_true`` and ``rating_mismatched``: mean rating of the true pairs and of the
          mismatched ones.
        - ``pairs``: N. It is the only metric where no pair was measured.
        """
        if not self.pairs:
            return {"pairs": 0.0}
        chosen = np.arange(len(self.pairs)) if rows is None else rows
        ratings, labels = self.ratings[chosen], np.array(self.labels)
        true = ratings[:, labels == 5].ravel()
        mismatched = ratings[:, labels <= _MISMATCHED_LABEL].ravel()
        kept, relevant = ratings >= threshold, np.broadcast_to(labels >= KEPT_LABEL, ratings.shape)
        every_label = np.broadcast_to(labels, ratings.shape).ravel()
        return {
            "instruction_nll": _per_token(self.instruction[chosen]),
            "response_nll": _per_token(self.response[chosen]),
            "rating_auc": auc(true, mismatched),
            "rating_precision": float((kept & relevant).sum() / max(1, kept.sum())),
            "rating_recall": float((kept & relevant).sum() / max(1, relevant.sum())),
            "rating_correlation": rank_correlation(ratings.ravel(), every_label),
            "rating_error": float(np.abs(ratings - labels).mean()),
            "rating_true": float(true.mean()),
            "rating_mismatched": float(mismatched.mean()),
            "pairs": float(len(chosen)),
        }


@dataclass(frozen=True, slots=True)
class HumanAgreement:
    """Human and model ratings of the same P pairs."""

    scores: Array
    """[P]: human ratings, 1 to 5."""
    ratings: Array
    """[P]: the model's expected ratings; NaN for a pair that does not fit its context."""

    def metrics(self, rows: Array | None = None) -> dict[str, float]:
        """Metrics over ``rows``, by default all. Empty where there are no pairs.

        - ``people_pairs``: P.
        - ``people_correlation``: Spearman's rank correlation of rating and score.
        - ``people_error``: mean absolute difference of rating and score, in points.
        """
        if not len(self.scores):
            return {}
        chosen = np.arange(len(self.scores)) if rows is None else rows
        scores, ratings = self.scores[chosen], self.ratings[chosen]
        return {
            "people_pairs": float(len(chosen)),
            "people_correlation": rank_correlation(ratings, scores),
            "people_error": float(np.abs(ratings - scores).mean()),
        }


def auc(above: np.ndarray, below: np.ndarray) -> float:
    """Probability that a value of ``above`` is higher than one of ``below``; a tie counts half.

    Neither may be empty. NaN where either contains NaN.
    """
    if np.isnan(above).any() or np.isnan(below).any():
        return float("nan")
    ordered = np.sort(below)
    lower = np.searchsorted(ordered, above, "left") + np.searchsorted(ordered, above, "right")
    return float(lower.mean() / (2 * len(ordered)))


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation, -1 to 1; 0 where either is constant.

    Equal values have their mean rank.
    """
    ranks = np.stack([_ranks(one), _ranks(other)])
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    spread = float(np.sqrt((centred**2).sum(axis=1)).prod())
    return float(centred[0] @ centred[1]) / spread if spread else 0.0


def _ranks(values: np.ndarray) -> Array:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def _per_token(nats_and_tokens: Array) -> float:
    nats, tokens = nats_and_tokens.sum(axis=0)
    return float(nats / tokens)
