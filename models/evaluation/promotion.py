"""Whether a trained release takes service: its figures beside its parent's on the same held-out
pairs, chance allowed for.

The pairs are drawn again 2,000 times, each time the same ones for both models and for all figures,
which gives a 95% interval of every change. docs/releases.md explains the rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.evaluation.bootstrap import Estimate, bootstrap_intervals
from models.evaluation.metrics import HumanAgreement, Measurements

MIN_PAIRS = 10
"""Under so many pairs an interval by resampling is narrower than chance is, so nothing is promoted
by it.
"""
_AUC_TOLERANCE = 0.03
"""A fall of the rating AUC by more than this never passes, however wide its interval is: few pairs
tell little.
"""
_NLL = ("instruction_nll", "response_nll")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to promote, and why, in a sentence."""

    promote: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ReleaseComparison:
    """A release beside its parent."""

    metrics: Mapping[str, float]
    """Its figures, as in ``Measurements.figures`` and ``HumanAgreement.figures``."""
    parent_metrics: Mapping[str, float]
    """The parent's, of the same pairs."""
    changes: Mapping[str, Estimate]
    """Release minus parent, with its 95% interval, of each figure; ``nll`` is the mean of both
    NLLs.
    """
    verdict: Verdict


def compare_releases(
    new: Measurements,
    parent: Measurements,
    threshold: float,
    opinions: tuple[HumanAgreement, HumanAgreement] | None = None,
) -> ReleaseComparison:
    """Compare a release with its parent on the pairs that were measured with both, and judge it.

    ``threshold`` is the lowest rating that the curator keeps. ``opinions``: the release and the
    parent beside people, who do not decide.
    """
    both = sorted(set(new.pairs) & set(parent.pairs))
    new, parent = new.of(both), parent.of(both)
    metrics, parent_metrics = new.metrics(threshold), parent.metrics(threshold)
    changes: dict[str, Estimate] = {}
    if both:
        changes = bootstrap_intervals(
            lambda rows: _change(new.metrics(threshold, rows), parent.metrics(threshold, rows)),
            len(both),
        )
    if opinions:
        one, other = _of_both(*opinions)
        metrics |= one.metrics()
        parent_metrics |= other.metrics()
        if len(one.scores):
            changes |= bootstrap_intervals(
                lambda rows: _change(one.metrics(rows), other.metrics(rows)), len(one.scores)
            )
    return ReleaseComparison(metrics, parent_metrics, changes, judge(changes, len(both)))


def judge(changes: Mapping[str, Estimate], pairs: int) -> Verdict:
    """Promote where the interval of the NLL's change lies below 0 as a whole, and the rating AUC
    did not fall.

    The AUC fell where its change's interval lies below 0 as a whole, or its change is below -0.03.
    ``changes`` are as in ``ReleaseComparison``, of so many ``pairs``. Nothing that is not a number
    promotes.
    """
    if pairs < MIN_PAIRS:
        return Verdict(False, f"{pairs} held-out pairs are too few to tell: {MIN_PAIRS} are needed")
    nll, auc = changes["nll"], changes["rating_auc"]
    figures = f"held-out NLL {_told(nll)} nats a token, rating AUC {_told(auc)}, on {pairs} pairs"
    if not np.isfinite([nll, auc]).all():
        return Verdict(False, f"not every figure is a number: {figures}")
    if not nll[0] < 0:
        return Verdict(False, f"held-out NLL did not fall: {figures}")
    if not nll[2] < 0:
        return Verdict(False, f"the fall of the held-out NLL may be chance: {figures}")
    if not (auc[2] >= 0 and auc[0] >= -_AUC_TOLERANCE):
        return Verdict(False, f"rating AUC fell: {figures}")
    return Verdict(True, figures)


def _change(metrics: Mapping[str, float], parent: Mapping[str, float]) -> dict[str, float]:
    changes = {name: value - parent[name] for name, value in metrics.items() if name != "pairs"}
    if changes.keys() >= set(_NLL):
        changes["nll"] = sum(changes[name] for name in _NLL) / len(_NLL)
    return changes


def _of_both(new: HumanAgreement, parent: HumanAgreement) -> tuple[HumanAgreement, HumanAgreement]:
    """Of the same rated pairs, those that both models could read."""
    rows = np.isfinite(new.ratings) & np.isfinite(parent.ratings)
    return HumanAgreement(new.scores[rows], new.ratings[rows]), HumanAgreement(
        parent.scores[rows], parent.ratings[rows]
    )


def _told(change: Estimate) -> str:
    value, low, high = change
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"
