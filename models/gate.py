"""Whether a trained release takes service.

Provisional: a plain comparison of held-out figures, so that a release that is worse than its parent is never served.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_LOWER_IS_BETTER = ("instruction_nll", "response_nll")
_AUC_TOLERANCE = 0.03


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to promote, and why, in a sentence."""

    promote: bool
    reason: str


def judge(metrics: Mapping[str, float], parent: Mapping[str, float]) -> Verdict:
    """Promote where the mean of both held-out NLLs fell and the rating AUC did not fall by more than 0.03."""
    change = sum(metrics[name] - parent[name] for name in _LOWER_IS_BETTER) / len(_LOWER_IS_BETTER)
    auc = metrics["rating_auc"] - parent["rating_auc"]
    # Written so that a figure that is not a number never promotes.
    if not change < 0:
        return Verdict(False, f"held-out NLL did not fall ({change:+.3f} nats a token)")
    if not auc >= -_AUC_TOLERANCE:
        return Verdict(False, f"held-out rating AUC fell by {-auc:.3f}")
    return Verdict(True, f"held-out NLL {change:+.3f} nats a token, rating AUC {auc:+.3f}")
