"""Writing, rating and curating through the product's engine and agents."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from agents.backward import Backward
from agents.curator import Curator, CuratorSettings
from agents.scorer import Scorer
from bench.loop.steps import Note
from models.engine import Sampling
from models.serving.model_handle import ModelHandle
from models.serving.served_model import ServedModel
from schemas.errors import ModelError
from schemas.records import Candidate, Example, Record, Rejection, Scored, Segment
from streams.settings import GenerationSettings

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")
Refused = Counter[str]
"""Reason → how often."""


async def write(
    release: Path, segments: Sequence[Segment], sampling: Sampling, note: Note
) -> tuple[list[Candidate], Refused]:
    """A candidate for each segment, in order, but for those that the backward agent refuses."""
    async with _served(release) as model:
        agent = Backward(model, sampling)
        return _parted(await _each(segments, agent.handle, "written", note), Candidate)


async def rate(
    release: Path, candidates: Sequence[Candidate], note: Note
) -> tuple[list[Scored], Refused]:
    """Every candidate rated, in order, but for those that cannot be."""
    async with _served(release) as model:
        agent = Scorer(model)

        async def one(candidate: Candidate) -> list[Scored | Rejection]:
            try:
                return await agent.handle(candidate)
            except ModelError:  # the stream makes a dead letter of it
                return [candidate.refuse(Scorer.stage, "unrated")]

        return _parted(await _each(candidates, one, "rated", note), Scored)


async def curate(
    scored: Iterable[Scored], seeds: Iterable[Example], threshold: float
) -> tuple[list[Example], Refused]:
    """What a curator that knows the seeds keeps of rated candidates, in their order, and why it
    refuses the others.
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
    """As many at once as a stage of the stream has."""
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
    """The records of the wanted type, and the reasons of the rejections."""
    flat: list[object] = [each for outcome in outcomes for each in outcome]
    refused = Counter(each.reason for each in flat if isinstance(each, Rejection))
    return [each for each in flat if isinstance(each, wanted)], refused


def dump(records: Iterable[Record]) -> list[dict[str, object]]:
    """Records for a result file."""
    return [record.model_dump(mode="json") for record in records]
