"""95% bootstrap intervals over pairs and training seeds, also of paired differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Statistic(Protocol):
    """A statistic of pairs, some of which may count several times."""

    @property
    def pairs(self) -> int:
        """Number of pairs."""
        ...

    def of(self, counts: Array) -> Array:
        """Return [R] values, one for each row of ``counts``.

        ``counts`` is [R, pairs]: how often each pair counts.
        """
        ...


@dataclass(frozen=True, slots=True)
class Ratio:
    """The sum of one value of the pairs divided by the sum of another.

    Examples: nats a token, a mean, the mean of a subset.
    """

    top: Array
    """[pairs]"""
    bottom: Array
    """[pairs]"""

    @classmethod
    def mean(cls, values: Sequence[float], among: Sequence[bool] | None = None) -> "Ratio":
        """Return the mean of ``values``, or of those of the pairs in ``among``."""
        weights = np.ones(len(values)) if among is None else np.array(among, dtype=np.float64)
        return cls(np.array(values, dtype=np.float64) * weights, weights)

    @property
    def pairs(self) -> int:
        """As in Statistic."""
        return len(self.top)

    def of(self, counts: Array) -> Array:
        """As in Statistic; NaN if no pair counts."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return (counts @ self.top) / (counts @ self.bottom)


@dataclass(frozen=True, slots=True)
class Auc:
    """How often one of ``above`` exceeds one of ``below``, both [pairs]; a tie counts half."""

    above: Array
    below: Array

    @property
    def pairs(self) -> int:
        """As in Statistic."""
        return len(self.above)

    def of(self, counts: Array) -> Array:
        """As in Statistic."""
        difference = self.above[:, None] - self.below[None, :]
        wins = (difference > 0) + 0.5 * (difference == 0)
        return ((counts @ wins) * counts).sum(1) / counts.sum(1) ** 2


@dataclass(frozen=True, slots=True)
class SeedEstimate:
    """A mean over training seeds, with its 95% bootstrap interval over pairs and seeds."""

    value: float
    low: float
    high: float
    seeds: tuple[float, ...]
    """The value of each training seed."""

    def verdict(self, planned: int, *, lower_is_better: bool) -> str:
        """Return the verdict on a difference: ``better``, ``worse`` or ``inconclusive``.

        It is conclusive if the interval excludes 0 and the training seeds agree in sign. There is
        none yet with fewer than the ``planned`` number of training seeds.
        """
        if len(self.seeds) < planned:
            return f"none yet: {len(self.seeds)} of {planned} training seeds"
        if not (self.low > 0 or self.high < 0) or len({np.sign(value) for value in self.seeds}) > 1:
            return "inconclusive"
        return "better" if (self.value < 0) == lower_is_better else "worse"


@dataclass(frozen=True, slots=True)
class Resamples:
    """Resamples of pairs and of training seeds, the same for every metric."""

    pairs: Array
    """[R, pairs]: how often each pair was drawn."""
    seeds: Array
    """[R, seeds]: the share of each training seed."""

    @classmethod
    def make(cls, pairs: int, seeds: int, resamples: int) -> "Resamples":
        """Draw both with replacement, always the same for the same numbers."""
        generator = np.random.default_rng(0)
        of_pairs = generator.multinomial(pairs, np.full(pairs, 1 / pairs), resamples).astype(
            np.float64
        )
        of_seeds = generator.multinomial(seeds, np.full(seeds, 1 / seeds), resamples) / seeds
        return cls(of_pairs, of_seeds)

    def estimate(self, statistics: Sequence[Statistic]) -> SeedEstimate:
        """Estimate a statistic, given for each training seed."""
        once = np.ones((1, self.pairs.shape[1]))
        return self._estimate(
            [each.of(once) for each in statistics], [each.of(self.pairs) for each in statistics]
        )

    def difference(self, ours: Sequence[Statistic], theirs: Sequence[Statistic]) -> SeedEstimate:
        """Estimate ours less theirs, seed by seed and pair by pair."""
        once = np.ones((1, self.pairs.shape[1]))
        values = [a.of(once) - b.of(once) for a, b in zip(ours, theirs, strict=True)]
        return self._estimate(
            values, [a.of(self.pairs) - b.of(self.pairs) for a, b in zip(ours, theirs, strict=True)]
        )

    def _estimate(self, values: Sequence[Array], resampled: Sequence[Array]) -> SeedEstimate:
        seeds = tuple(float(value[0]) for value in values)
        found = (self.seeds * np.stack(resampled, axis=1)).sum(1)
        known = found[~np.isnan(found)]
        low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)
        return SeedEstimate(float(np.mean(seeds)), float(low), float(high), seeds)
