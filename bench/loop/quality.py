"""Compares the instructions of subsets of the candidates with the human ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bench.loop.arms import CURATED, NAMES, Arm
from bench.loop.bootstrap import Ratio, Resamples, SeedEstimate
from bench.loop.settings import LoopSettings
from bench.loop.splits import Split
from models.evaluation.rouge import rouge_l
from models.evaluation.words import words
from schemas.records import Candidate

QualityResult = Mapping[str, Any]
"""What ``quality`` returns, for one training seed."""

COLUMNS = {
    "rouge": "ROUGE-L with the true instruction",
    "nearest": "nearer to its own than to 9 others",
}


def quality(
    split: Split,
    candidates: Sequence[Candidate],
    by_rater: Mapping[str, Sequence[float | None]],
    sets: Mapping[Arm, Sequence[int]],
    settings: LoopSettings,
) -> dict[str, Any]:
    """Compare what was written for the responses with a known instruction with that.

    ``by_rater`` are ratings of the candidates, ``sets`` the numbers of those that models were
    trained on. The columns of the result have a row for each response, also where the backward
    agent refused what was written.
    """
    by_segment = {one.provenance.segment_id: number for number, one in enumerate(candidates)}
    answered = [segment for segment in split.unlabelled if segment.id in split.truths]
    rows = [by_segment.get(segment.id) for segment in answered]
    truths = [split.truths[segment.id] for segment in answered]
    texts = ["" if row is None else candidates[row].instruction for row in rows]
    known = set(rows)
    return {
        "written": [row is not None for row in rows],
        "rouge": [
            rouge_l(words(text), words(truth)) for text, truth in zip(texts, truths, strict=True)
        ],
        "nearest": nearest(texts, truths, settings.choices),
        "rating": {
            rater: [None if row is None else scores[row] for row in rows]
            for rater, scores in by_rater.items()
        },
        "member": {arm: [row in numbers for row in rows] for arm, numbers in sets.items()},
        "documentation": {arm: len({*numbers} - known) for arm, numbers in sets.items()},
        "samples": [
            [
                answered[at].text[:300],
                truths[at],
                texts[at],
                {
                    rater: None if (row := rows[at]) is None else scores[row]
                    for rater, scores in by_rater.items()
                },
            ]
            for at in range(min(settings.samples, len(answered)))
        ],
    }


def nearest(texts: Sequence[str], truths: Sequence[str], choices: int) -> list[float]:
    """Return 1 for each text that is nearest to its own truth (ROUGE-L), else 0.

    It is compared with the truths of the ``choices`` - 1 following rows. A tie is 0.
    """
    said, true = [words(text) for text in texts], [words(truth) for truth in truths]
    count = len(true)
    found: list[float] = []
    for index, mine in enumerate(said):
        others = [true[(index + step) % count] for step in range(1, choices)]
        found.append(
            float(
                rouge_l(mine, true[index]) > max(map(partial(rouge_l, mine), others), default=0.0)
            )
        )
    return found


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
    rows = [
        _subset(NAMES[arm], found, [each["member"][arm] for each in found], settings)
        for arm in CURATED
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
