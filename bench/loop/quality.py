"""Compares the instructions of subsets of the candidates with the human ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.loop.bootstrap import Ratio, Resamples, SeedEstimate
from bench.loop.settings import LoopSettings

QualityResult = Mapping[str, Any]
"""The result of the quality step for one training seed."""

COLUMNS = {
    "rouge": "ROUGE-L with the true instruction",
    "nearest": "nearer to its own than to 9 others",
    "first": "true instruction first of 10",
}


@dataclass(frozen=True, slots=True)
class Subset:
    """A subset of the candidates, with its metrics and their difference from those of all."""

    label: str
    count: float
    """Mean over training seeds."""
    share: float
    """Share of all candidates for responses with a known instruction."""
    metrics: dict[str, SeedEstimate]
    gains: dict[str, SeedEstimate]
    """Metrics of the subset less those of all candidates."""


def by_rating(found: Sequence[QualityResult], rater: str, settings: LoopSettings) -> list[Subset]:
    """Return the candidates from each fixed rating on, and the best shares of them.

    Both are by the ratings of ``rater``.
    """
    rows: list[Subset] = []
    for threshold in settings.thresholds:
        chosen = [
            [score is not None and score >= threshold for score in each["rating"][rater]]
            for each in found
        ]
        rows.append(_subset(f"rated {threshold:g} or more", found, chosen, settings))
    for share in settings.shares:
        label = "all" if share == 1 else f"best {share:.0%}"
        rows.append(
            _subset(label, found, [_best(each["rating"][rater], share) for each in found], settings)
        )
    return rows


def trained_on(found: Sequence[QualityResult], settings: LoopSettings) -> list[Subset]:
    """Return the sets on which models were trained, and all candidates."""
    labels = {"m1": "curated by M0 (M1's)", "m2": "curated by M1 (M2's)", "uncurated": "at random"}
    rows = [
        _subset(label, found, [each["member"][arm] for each in found], settings)
        for arm, label in labels.items()
    ]
    return [*rows, _subset("all candidates", found, [each["written"] for each in found], settings)]


def _best(scores: Sequence[float | None], share: float) -> list[bool]:
    known = sorted((score for score in scores if score is not None), reverse=True)
    if not known:
        return [False] * len(scores)
    threshold = known[max(1, round(share * len(known))) - 1]
    return [score is not None and score >= threshold for score in scores]


def _subset(
    label: str,
    found: Sequence[QualityResult],
    chosen: Sequence[Sequence[bool]],
    settings: LoopSettings,
) -> Subset:
    resamples = Resamples.make(len(chosen[0]), len(found), settings.resamples)
    metrics: dict[str, SeedEstimate] = {}
    gains: dict[str, SeedEstimate] = {}
    for name in COLUMNS:
        part = [Ratio.mean(each[name], among) for each, among in zip(found, chosen, strict=True)]
        whole = [Ratio.mean(each[name], each["written"]) for each in found]
        metrics[name], gains[name] = resamples.estimate(part), resamples.difference(part, whole)
    count = float(np.mean([sum(among) for among in chosen]))
    written = float(np.mean([sum(each["written"]) for each in found]))
    return Subset(label, count, count / written if written else 0.0, metrics, gains)
