"""The report of ``estimate``: for people, and for programs."""

from collections import Counter
from typing import Any

from streams.observe.estimate import Passages, RunOfAgents
from streams.quantities import as_count, as_duration


def as_report(passages: Passages, run: RunOfAgents) -> dict[str, Any]:
    """The figures as JSON has them. Shares and examples come with their 95% intervals."""
    return {
        "passages": passages.total,
        "refused_passages": dict(passages.refused),
        "unread": len(passages.unread),
        "sample": run.passages,
        "device": run.device,
        "passages_per_second": round(run.rate, 3),
        "seconds": round(passages.total / run.rate, 1),
        "kept_share": [round(share, 4) for share in run.kept],
        "examples": [round(share * passages.total) for share in run.kept],
        "refused_in_sample": dict(run.refused),
    }


def as_text(passages: Passages, run: RunOfAgents) -> str:
    """The figures in words."""
    share, low, high = run.kept
    total = passages.total
    return "\n".join(
        (
            f"passages  {total:,}; refused: {_counts(passages.refused)}",
            f"rate      {run.rate:,.3g} passages/s on {run.device}, "
            f"from {as_count(run.passages, 'passage')}",
            f"time      about {as_duration(total / run.rate)} for one such process",
            f"examples  about {share * total:,.0f} ({low * total:,.0f} to {high * total:,.0f}): "
            f"{share:.0%} of the passages ({low:.0%} to {high:.0%}, a 95% interval)",
            f"refused   in the sample: {_counts(run.refused)}",
        )
    )


def _counts(reasons: Counter[str]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common()) or "none"
