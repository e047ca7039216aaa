"""Rates many pairs with a release, as it is served on a CPU, to measure it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.engine import Engine
from models.evaluation.metrics import Array
from models.judging.evidence import EvidenceKind
from models.judging.judge import Judges
from models.judging.rater import Rater
from models.progress import Report, at_intervals
from models.prompts.layout import Prompter
from models.seeds.pairs import Pair
from schemas.errors import ModelError

_AT_ONCE = 8
"""Pairs that are rated side by side."""


async def rate_pairs(
    directory: Path,
    judges: Judges | None,
    pairs: Sequence[Pair],
    report: Report = lambda line: None,
) -> Array:
    """[N] ratings by a release's directory, which needs no manifest, on all evidence.

    Without judges, the digits rate. NaN for a pair that does not fit the context window or cannot
    be rated. Raises ModelError where the engine cannot load the directory, EngineError where it
    fails.
    """
    prompter = await asyncio.to_thread(Prompter.load, directory)
    engine = await asyncio.to_thread(Engine.load, directory, device="cpu")
    rater = Rater(engine, prompter, EvidenceKind.COMBINED, judges)
    room, done = asyncio.Semaphore(_AT_ONCE), 0
    tick = at_intervals(report)

    async def rated(pair: Pair) -> float:
        nonlocal done
        async with room:
            try:
                found = await rater.rate(pair.instruction, pair.response, pair.context)
            except ModelError:  # too long, or unrated
                return float("nan")
            finally:
                done += 1
                tick(f"rating: {done} of {len(pairs)} pairs")
            return found.score

    try:
        return np.array(await asyncio.gather(*map(rated, pairs)), np.float64)
    finally:
        engine.close()
