"""How good the instructions are that a threshold keeps, beside those that people wrote for the same
responses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.loop.intervals import Draws, Figure, Ratio
from bench.loop.settings import LoopSettings

Quality = Mapping[str, Any]
"""What the quality step gives for one training seed."""

COLUMNS = {
    "rouge": "ROUGE-L with the true instruction",
    "nearest": "nearer to its own than to 9 others",
    "first": "true instruction first of 10",
}


@dataclass(frozen=True, slots=True)
class Kept:
    """A part of the candidates: what they are worth, and by how much more than the whole."""

    label: str
    count: float
    """Mean over training seeds."""
    share: float
    """Of all candidates for responses with a known instruction."""
    figures: dict[str, Figure]
    gains: dict[str, Figure]
    """Less the same of all candidates."""


def by_rating(found: Sequence[Quality], rater: str, settings: LoopSettings) -> list[Kept]:
    """The candidates from each fixed rating on, and the best shares of them, by the ratings of
    ``rater``.
    """
    rows: list[Kept] = []
    for threshold in settings.thresholds:
        chosen = [
            [score is not None and score >= threshold for score in each["rating"][rater]]
            for each in found
        ]
        rows.append(_kept(f"rated {threshold:g} or more", found, chosen, settings))
    for share in settings.shares:
        label = "all" if share == 1 else f"best {share:.0%}"
        rows.append(
            _kept(label, found, [_best(each["rating"][rater], share) for each in found], settings)
        )
    return rows


def trained_on(found: Sequence[Quality], settings: LoopSettings) -> list[Kept]:
    """The sets that models were trained on, and all that was written."""
    labels = {"m1": "curated by M0 (M1's)", "m2": "curated by M1 (M2's)", "uncurated": "at random"}
    rows = [
        _kept(label, found, [each["member"][arm] for each in found], settings)
        for arm, label in labels.items()
    ]
    return [*rows, _kept("all candidates", found, [each["written"] for each in found], settings)]


def _best(scores: Sequence[float | None], share: float) -> list[bool]:
    known = sorted((score for score in scores if score is not None), reverse=True)
    if not known:
        return [False] * len(scores)
    threshold = known[max(1, round(share * len(known))) - 1]
    return [score is not None and score >= threshold for score in scores]


def _kept(
    label: str, found: Sequence[Quality], chosen: Sequence[Sequence[bool]], settings: LoopSettings
) -> Kept:
    draws = Draws.make(len(chosen[0]), len(found), settings.resamples)
    figures: dict[str, Figure] = {}
    gains: dict[str, Figure] = {}
    for name in COLUMNS:
        part = [Ratio.mean(each[name], among) for each, among in zip(found, chosen, strict=True)]
        whole = [Ratio.mean(each[name], each["written"]) for each in found]
        figures[name], gains[name] = draws.figure(part), draws.difference(part, whole)
    count = float(np.mean([sum(among) for among in chosen]))
    written = float(np.mean([sum(each["written"]) for each in found]))
    return Kept(label, count, count / written if written else 0.0, figures, gains)
