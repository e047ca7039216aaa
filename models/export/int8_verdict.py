"""Decides from paired measurements whether an int8 graph is good enough to serve. Pure arithmetic.

Int8 is served where, over all pairs, the negative log-likelihood (NLL) of the instructions rises by
at most 0.02 nats a token, ratings move by at most 0.1 points on average, and at least 95% of the
tokens that fp32 decodes greedily are the same. Each of the three is written as the excess of a pair
over its limit, so that it holds where the mean excess is at most 0.

A refusal is known before all pairs are measured, by either of two rules:

- Curtailment: neither the distance of two ratings nor the share of changed tokens is ever negative.
  If the pairs so far exceed the limit of all pairs even if the others add nothing, the verdict of
  all pairs is known for certain.
- A boundary of 4 standard errors at each interim look, as in the group sequential designs of
  Haybittle (1971) and Peto et al. (1976): int8 is refused where the mean excess of one criterion is
  more than 4 standard errors above 0. A look needs 8 pairs. By Student's t such a distance occurs
  by chance in 0.3% of the looks at 8 pairs and in 0.06% of those at 16, where a mean is exactly 0.

Int8 is served on the evidence of all pairs only, and of no fewer than 8: to serve a graph that is
not good enough harms every later answer, to refuse a good one costs speed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NLL_RISE = 0.02
"""Nats a token."""
RATING_SHIFT = 0.1
"""Points of the scale of 1 to 5."""
CHANGED_TOKENS = 0.05
"""Share of the greedy tokens."""

_FEWEST_PAIRS = 8
_STANDARD_ERRORS = 4.0

_Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PairedDifferences:
    """Int8 beside fp32: one entry for each pair that was measured."""

    nll_rise: _Numbers
    """Nats of the whole instruction."""
    tokens: _Numbers
    """Tokens of the instruction."""
    rating_shift: _Numbers
    """Distance of the two ratings, in points."""
    changed_tokens: _Numbers
    """Share of fp32's greedy tokens that int8 does not choose in their place."""

    def excesses(self) -> tuple[_Numbers, _Numbers, _Numbers]:
        """[pairs] for each criterion: over 0 where a pair is worse than the limit."""
        return (
            self.nll_rise - NLL_RISE * self.tokens,
            self.rating_shift - RATING_SHIFT,
            self.changed_tokens - CHANGED_TOKENS,
        )


def holds(differences: PairedDifferences) -> bool:
    """The verdict of all pairs; False where there are too few, or a number is not finite."""
    return len(differences.tokens) >= _FEWEST_PAIRS and all(
        each.mean() <= 0 for each in differences.excesses()
    )


def is_refused_early(differences: PairedDifferences, pairs: int) -> bool:
    """Whether the verdict of all ``pairs`` is clear from those that were measured."""
    measured = len(differences.tokens)
    curtailed = (
        differences.rating_shift.sum() > RATING_SHIFT * pairs
        or differences.changed_tokens.sum() > CHANGED_TOKENS * pairs
    )
    return bool(curtailed) or (
        measured >= _FEWEST_PAIRS
        and any(
            each.mean() > _STANDARD_ERRORS * each.std(ddof=1) / np.sqrt(measured)
            for each in differences.excesses()
        )
    )
