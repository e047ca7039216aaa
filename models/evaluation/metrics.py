"""What a model makes of held-out pairs, pair by pair, and the figures that follow from any choice
of them. numpy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

KEPT_LABEL = 4
"""The lowest label that deserves to be kept: the paper trains on pairs of 4 and of 5."""
_WRONG_LABEL = 2
"""The highest label of a pair that does not belong together."""


@dataclass(frozen=True, slots=True)
class Measurements:
    """N held-out pairs, measured. Each comes with L labelled pairs, of the same labels, that were
    made from it.
    """

    pairs: tuple[int, ...]
    """Which of the pairs that were given: those that fit the model's context."""
    instruction: Array
    """[N, 2]: nats and tokens of the instruction, given the response."""
    response: Array
    """[N, 2]: nats and tokens of the response, given the instruction under the tag of human
    data.
    """
    labels: tuple[int, ...]
    """[L]: the grade that each labelled pair deserves; 5 is the pair itself."""
    ratings: Array
    """[N, L]: their expected ratings."""

    def of(self, pairs: Sequence[int]) -> "Measurements":
        """The same for some of the pairs only, by their numbers. Each must have been measured."""
        rows = [self.pairs.index(pair) for pair in pairs]
        return Measurements(
            tuple(pairs),
            self.instruction[rows],
            self.response[rows],
            self.labels,
            self.ratings[rows],
        )

    def metrics(self, threshold: float, rows: Array | None = None) -> dict[str, float]:
        """Figures over ``rows``, by default all; a row may come more than once. Empty but for
        ``pairs`` where there is none.

        ``instruction_nll`` and ``response_nll``: nats a token. ``rating_auc``: how often a true
        pair (5) is rated above one that does not belong together (1 or 2), ties counting half.
        ``rating_precision``: the share of those rated ``threshold`` or better that deserve a 4 or
        5; 0 where none is rated so. ``rating_recall``: the share of those that deserve a 4 or 5
        that is rated so. ``rating_correlation``: Spearman's rank correlation of rating and label, 0
        where either never changes. ``rating_error``: the mean distance of rating and label in
        points. ``rating_true`` and ``rating_mismatched``: the mean rating of the true pairs, and of
        those that do not belong together. ``pairs``: N.
        """
        if not self.pairs:
            return {"pairs": 0.0}
        chosen = np.arange(len(self.pairs)) if rows is None else rows
        ratings, labels = self.ratings[chosen], np.array(self.labels)
        true, wrong = ratings[:, labels == 5].ravel(), ratings[:, labels <= _WRONG_LABEL].ravel()
        taken, deserve = ratings >= threshold, np.broadcast_to(labels >= KEPT_LABEL, ratings.shape)
        every_label = np.broadcast_to(labels, ratings.shape).ravel()
        return {
            "instruction_nll": _per_token(self.instruction[chosen]),
            "response_nll": _per_token(self.response[chosen]),
            "rating_auc": auc(true, wrong),
            "rating_precision": float((taken & deserve).sum() / max(1, taken.sum())),
            "rating_recall": float((taken & deserve).sum() / max(1, deserve.sum())),
            "rating_correlation": rank_correlation(ratings.ravel(), every_label),
            "rating_error": float(np.abs(ratings - labels).mean()),
            "rating_true": float(true.mean()),
            "rating_mismatched": float(wrong.mean()),
            "pairs": float(len(chosen)),
        }


@dataclass(frozen=True, slots=True)
class HumanAgreement:
    """P held-out pairs that people rated, and what the model thinks of them."""

    scores: Array
    """[P]: people's, 1 to 5."""
    ratings: Array
    """[P]: the expected ratings."""

    def metrics(self, rows: Array | None = None) -> dict[str, float]:
        """Agreement over ``rows``, by default all. Empty where nothing was rated.

        ``people_correlation``: Spearman's rank correlation of rating and score. ``people_error``:
        their mean distance in points.
        """
        if not len(self.scores):
            return {}
        chosen = np.arange(len(self.scores)) if rows is None else rows
        scores, ratings = self.scores[chosen], self.ratings[chosen]
        return {
            "people_correlation": rank_correlation(ratings, scores),
            "people_error": float(np.abs(ratings - scores).mean()),
        }


def auc(above: np.ndarray, below: np.ndarray) -> float:
    """How often one of ``above`` is higher than one of ``below``; a tie is half. Neither is empty;
    NaN where either holds one.
    """
    if np.isnan(above).any() or np.isnan(below).any():
        return float("nan")
    ordered = np.sort(below)
    lower = np.searchsorted(ordered, above, "left") + np.searchsorted(ordered, above, "right")
    return float(lower.mean() / (2 * len(ordered)))


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's: -1 to 1; equal values share their mean rank. 0 where either has only one
    value.
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
