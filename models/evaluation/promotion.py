"""The promotion gate: whether a trained release is deployed in place of its parent.

Both are measured on the same held-out pairs. 2,000 bootstrap resamples of the pairs, the same for
both models and for all metrics, give a 95% interval of each change. docs/releases.md explains the
rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.evaluation.bootstrap import bootstrap_intervals
from models.evaluation.estimate import Estimate
from models.evaluation.metrics import HumanAgreement, Measurements
from models.evaluation.verdict import Verdict

MIN_PAIRS = 10
"""Fewest pairs for a promotion. With fewer, bootstrap intervals are too narrow."""
_RATING = {
    "rating_auc": ("rating AUC", 0.03),
    "rating_correlation": ("rank correlation of the ratings", 0.1),
    "rating_precision": ("precision at the threshold", 0.1),
    "rating_recall": ("recall at the threshold", 0.1),
}
"""Metrics of the ratings that must not fall: their names for people, and the largest drop that may
pass. With few pairs, the interval of a drop is wide and would let a large one pass.
"""
_NLL = ("instruction_nll", "response_nll")
_COUNTS = ("pairs", "people_pairs")


@dataclass(frozen=True, slots=True)
class ReleaseComparison:
    """A release compared with its parent."""

    metrics: Mapping[str, float]
    """Metrics of the release, as in ``Measurements.metrics`` and ``HumanAgreement.metrics``."""
    parent_metrics: Mapping[str, float]
    """Metrics of the parent, on the same pairs."""
    changes: Mapping[str, Estimate]
    """Release minus parent for each metric, with its 95% bootstrap interval.

    ``nll`` is the mean of both NLLs.
    """
    verdict: Verdict


def compare_releases(
    new: Measurements,
    parent: Measurements,
    thresholds: tuple[float, float],
    agreement: tuple[HumanAgreement, HumanAgreement] | None = None,
) -> ReleaseComparison:
    """Compare a release with its parent on the pairs that were measured with both.

    ``thresholds`` are the lowest ratings of each that the curator keeps. ``agreement`` is that of
    the release and of the parent with human ratings. It adds metrics and does not change the
    verdict; their changes are left out below MIN_PAIRS human ratings, because so few give no
    interval.
    """
    both = sorted(set(new.pairs) & set(parent.pairs))
    new, parent = new.of(both), parent.of(both)
    own, its = thresholds
    metrics, parent_metrics = new.metrics(own), parent.metrics(its)
    changes: dict[str, Estimate] = {}
    if both:
        changes = bootstrap_intervals(
            lambda rows: _change(new.metrics(own, rows), parent.metrics(its, rows)),
            len(both),
        )
    if agreement:
        one, other = _rated_by_both(*agreement)
        metrics |= one.metrics()
        parent_metrics |= other.metrics()
        if len(one.scores) >= MIN_PAIRS:
            changes |= bootstrap_intervals(
                lambda rows: _change(one.metrics(rows), other.metrics(rows)), len(one.scores)
            )
    return ReleaseComparison(metrics, parent_metrics, changes, decide(changes, len(both)))


def decide(changes: Mapping[str, Estimate], pairs: int) -> Verdict:
    """Promote where the NLL fell by more than chance and no metric of the ratings fell.

    The NLL fell where the whole interval of its change is below 0. A metric of the ratings (AUC,
    rank correlation, precision and recall at the threshold) fell where the whole interval of its
    change is below 0, or the change is below its tolerance. NaN in any of them never promotes.
    ``changes`` are those of a ``ReleaseComparison`` on ``pairs`` pairs.
    """
    if pairs < MIN_PAIRS:
        return Verdict(False, f"{pairs} held-out pairs are too few to tell: {MIN_PAIRS} are needed")
    nll = changes["nll"]
    ratings = {name: changes[name] for name in _RATING}
    found = (
        f"held-out NLL {_format(nll)} nats a token, rating AUC {_format(ratings['rating_auc'])}, "
        f"precision {_format(ratings['rating_precision'])}, on {pairs} pairs"
    )
    if not np.isfinite([nll, *ratings.values()]).all():
        return Verdict(False, f"not every metric is a number: {found}")
    if not nll[0] < 0:
        return Verdict(False, f"held-out NLL did not fall: {found}")
    if not nll[2] < 0:
        return Verdict(False, f"the fall of the held-out NLL may be chance: {found}")
    fallen = [
        f"{_RATING[name][0]} fell by {-change[0]:.3f} ({-change[2]:.3f} to {-change[1]:.3f})"
        for name, change in ratings.items()
        if change[2] < 0 or change[0] < -_RATING[name][1]
    ]
    if fallen:
        return Verdict(False, f"{', '.join(fallen)}: {found}")
    return Verdict(True, found)


def _change(metrics: Mapping[str, float], parent: Mapping[str, float]) -> dict[str, float]:
    changes = {name: value - parent[name] for name, value in metrics.items() if name not in _COUNTS}
    if changes.keys() >= set(_NLL):
        changes["nll"] = sum(changes[name] for name in _NLL) / len(_NLL)
    return changes


def _rated_by_both(
    new: HumanAgreement, parent: HumanAgreement
) -> tuple[HumanAgreement, HumanAgreement]:
    """The pairs that both models rated."""
    rows = np.isfinite(new.ratings) & np.isfinite(parent.ratings)
    return HumanAgreement(new.scores[rows], new.ratings[rows]), HumanAgreement(
        parent.scores[rows], parent.ratings[rows]
    )


def _format(change: Estimate) -> str:
    value, low, high = change
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"
