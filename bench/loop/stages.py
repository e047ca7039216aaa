"""Writes, rates and curates with the engine and the agents of the stream."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from agents.backward import Backward
from agents.curation.settings import CuratorSettings
from agents.curator import Curator
from agents.scorer import Scorer
from bench.loop.steps import Note
from models.sampling import Sampling
from models.serving.model_handle import ModelHandle
from models.serving.served_model import ServedModel
from schemas.errors import ModelError
from schemas.record import Record
from schemas.records import Candidate, Example, Rejection, Scored, Segment
from streams.settings import GenerationSettings

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")
Refused = Counter[str]
"""Number of refusals by reason."""


async def write(
    release: Path, segments: Sequence[Segment], sampling: Sampling, note: Note
) -> tuple[list[Candidate], Refused]:
    """Write a candidate for each segment, in order, except those that the agent refuses."""
    async with _served(release) as model:
        agent = Backward(model, sampling)
        return _parted(await _each(segments, agent.handle, "written", note), Candidate)


async def rate(
    release: Path, candidates: Sequence[Candidate], note: Note
) -> tuple[list[Scored], Refused]:
    """Rate every candidate, in order, except those that cannot be rated."""
    async with _served(release) as model:
        agent = Scorer(model)

        async def one(candidate: Candidate) -> list[Scored | Rejection]:
            try:
                return await agent.handle(candidate)
            except ModelError:  # in the stream this is a dead letter
                return [candidate.refuse(Scorer.stage, "unrated")]

        return _parted(await _each(candidates, one, "rated", note), Scored)


async def curate(
    scored: Iterable[Scored], seeds: Iterable[Example], threshold: float
) -> tuple[list[Example], Refused]:
    """Curate rated candidates, in their order, with the seeds in the novelty index.

    Returns the examples, and the reasons of the refusals.
    """
    curator = Curator(CuratorSettings(threshold=threshold))
    for seed in seeds:
        curator.restore(seed.id, seed)
    return _parted([await curator.handle(one) for one in scored], Example)


@asynccontextmanager
async def _served(release: Path) -> AsyncIterator[ModelHandle]:
    model = await ServedModel.load(release, device="cpu")
    try:
        yield ModelHandle(model)
    finally:
        model.close()


async def _each(
    items: Sequence[A], handle: Callable[[A], Awaitable[B]], done: str, note: Note
) -> list[B]:
    """Handle as many items at once as a stage of the stream."""
    places = asyncio.Semaphore(GenerationSettings().in_flight)
    count = 0

    async def one(item: A) -> B:
        nonlocal count
        async with places:
            found = await handle(item)
        count += 1
        note(f"{count:,} of {len(items):,} {done}")
        return found

    return list(await asyncio.gather(*map(one, items)))


def _parted(outcomes: Iterable[Sequence[object]], wanted: type[T]) -> tuple[list[T], Refused]:
    """Divide outcomes into the records of the wanted type and the reasons of rejections."""
    flat: list[object] = [each for outcome in outcomes for each in outcome]
    refused = Counter(each.reason for each in flat if isinstance(each, Rejection))
    return [each for each in flat if isinstance(each, wanted)], refused


def dump(records: Iterable[Record]) -> list[dict[str, object]]:
    """Return records as they are written to a result file."""
    return [record.model_dump(mode="json") for record in records]
