"""Opens a release as it is served on a CPU, to measure it, and rates many pairs with it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.engine import Engine
from models.evaluation.metrics import Array
from models.judging.evidence import EvidenceKind
from models.judging.examiner import Examiner
from models.judging.judge import Judges
from models.judging.rater import Rater
from models.progress import Report, at_intervals
from models.prompts.layout import Prompter
from models.seeds.pairs import Pair
from schemas.errors import ModelError

_AT_ONCE = 8
"""Pairs that are rated side by side."""


class Opened(NamedTuple):
    """What a release's directory holds to write and rate with."""

    engine: Engine
    prompter: Prompter


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Opened]:
    """Load a release's directory, which needs no manifest, and close its engine at the end.

    Raises ModelError where the engine cannot load the directory.
    """
    prompter = await asyncio.to_thread(Prompter.load, directory)
    engine = await asyncio.to_thread(Engine.load, directory, device="cpu")
    try:
        yield Opened(engine, prompter)
    finally:
        engine.close()


async def rate_pairs(
    release: Opened,
    judges: Judges | None,
    pairs: Sequence[Pair],
    kind: EvidenceKind = EvidenceKind.COMBINED,
    report: Report = lambda line: None,
    headings: Sequence[Sequence[str]] | None = None,
) -> Array:
    """[N] ratings of N pairs by a kind of evidence, below their ``headings``, [N], if given.

    Without judges, the digits rate. NaN for a pair that does not fit the context window or cannot
    be rated. Raises EngineError where the engine fails.
    """
    rater = Rater(Examiner(release.engine, release.prompter), kind, judges)
    room, done = asyncio.Semaphore(_AT_ONCE), 0
    tick = at_intervals(report)

    async def rated(pair: Pair, above: Sequence[str]) -> float:
        nonlocal done
        async with room:
            try:
                found = await rater.rate(
                    pair.instruction,
                    pair.response,
                    pair.context,
                    headings=above,
                    turns=pair.turns,
                )
            except ModelError:  # too long, or unrated
                return float("nan")
            finally:
                done += 1
                tick(f"rating: {done} of {len(pairs)} pairs")
            return found.score

    above = headings if headings is not None else [()] * len(pairs)
    return np.array(await asyncio.gather(*map(rated, pairs, above)), np.float64)
