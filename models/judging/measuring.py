"""Rates many pairs with a release, as it is served on a CPU, to measure it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.engine import Engine
from models.judging.evidence import EvidenceKind
from models.judging.gathering import Report
from models.judging.judge import Judges
from models.judging.quality import Array, figures_at, figures_of
from models.judging.rater import Rater
from models.prompts.layout import Prompter
from models.seeds.labelled import KINDS, every_kind
from models.seeds.pairs import Pair
from schemas.errors import ModelError

_AT_ONCE = 8
"""Pairs that are rated side by side."""
_REPORTED = 64
"""Pairs between two lines of a report."""


@dataclass(frozen=True, slots=True)
class JudgeMeasurements:
    """Ratings of the pairs that are made from N held-out human pairs."""

    pairs: tuple[int, ...]
    """[N]: numbers of the human pairs of which every made pair fits the model's context."""
    ratings: Array
    """[N, 8]: in the order of ``models.seeds.labelled.KINDS``."""
    grades: Array
    """[N, 8]"""

    def of(self, pairs: Sequence[int]) -> "JudgeMeasurements":
        """Select human pairs by their numbers. Each must have been measured."""
        rows = [self.pairs.index(pair) for pair in pairs]
        return JudgeMeasurements(tuple(pairs), self.ratings[rows], self.grades[rows])

    def metrics(self, threshold: float, rows: Array | None = None) -> dict[str, float]:
        """What ``figures_of`` and ``figures_at`` give for these human pairs, by default all.

        A row may be repeated, as a bootstrap does.
        """
        chosen = np.arange(len(self.pairs)) if rows is None else rows
        ratings, grades = self.ratings[chosen].ravel(), self.grades[chosen].ravel()
        return figures_of(ratings, grades, KINDS * len(chosen)) | figures_at(
            threshold, ratings, grades
        )


async def measure_judge(
    directory: Path,
    judges: Judges | None,
    held_out: Sequence[Pair],
    kind: EvidenceKind = EvidenceKind.COMBINED,
    report: Report = lambda line: None,
) -> JudgeMeasurements:
    """Rate the graded pairs made from held-out human pairs. Raises as ``rate_pairs`` does."""
    made = every_kind(held_out)
    ratings = await rate_pairs(directory, judges, [each.pair for each in made], kind, report)
    by_pair = ratings.reshape(-1, len(KINDS))
    grades = np.array([each.grade for each in made], np.float64).reshape(-1, len(KINDS))
    fitting = np.flatnonzero(np.isfinite(by_pair).all(axis=1))
    return JudgeMeasurements(tuple(fitting.tolist()), by_pair[fitting], grades[fitting])


async def rate_pairs(
    directory: Path,
    judges: Judges | None,
    pairs: Sequence[Pair],
    kind: EvidenceKind = EvidenceKind.COMBINED,
    report: Report = lambda line: None,
) -> Array:
    """[N] ratings by a release's directory, which needs no manifest; by digits without judges.

    NaN for a pair that does not fit the context window or cannot be rated. Raises ModelError where
    the engine cannot load the directory, EngineError where it fails.
    """
    prompter = await asyncio.to_thread(Prompter.load, directory)
    engine = await asyncio.to_thread(Engine.load, directory, device="cpu")
    rater, room, done = Rater(engine, prompter, kind, judges), asyncio.Semaphore(_AT_ONCE), 0

    async def rated(pair: Pair) -> float:
        nonlocal done
        async with room:
            try:
                found = await rater.rate(pair.instruction, pair.response, pair.context)
            except ModelError:  # too long, or unrated
                return float("nan")
            finally:
                done += 1
                if done % _REPORTED == 0:
                    report(f"rating: {done} of {len(pairs)} pairs")
            return found.score

    try:
        return np.array(await asyncio.gather(*map(rated, pairs)), np.float64)
    finally:
        engine.close()
