"""Measures the stream with a model on documents, and its engine alone with the same prompts."""

import asyncio
import contextlib
import itertools
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from agents.backward import Backward
from agents.curator import Curator
from agents.scorer import Scorer
from agents.segmenter import Segmenter
from bench.chain import stream_state, through
from bench.process import Tally
from schemas.records import Candidate, Document, Segment
from streams.run.demo.documents import demo_documents, library_documents
from streams.settings import Settings
from streams.stages.making import agent_makers
from streams.stages.metrics import Metrics
from streams.worker.role_models import RoleModels
from streams.worker.worker import Worker

_PACKAGES = ("networkx", "numpy")
"""Packages whose docstrings are read, because the standard library takes only 20 seconds.

They are installed with every environment of the project.
"""


@dataclass(frozen=True, slots=True)
class Pass:
    """Counts and seconds of one pass over the documents."""

    documents: int
    passages: int
    rated: int
    kept: int
    seconds: float


def documents(count: int | None = None) -> list[Document]:
    """Return the documents of the demo, of the standard library and of some packages.

    With ``count``, return that many of them, taken evenly.
    """
    standard = library_documents(sorted(sys.stdlib_module_names))
    read = itertools.chain(demo_documents(), standard, library_documents(_PACKAGES, "purelib"))
    every = list({document.id: document for document in read}.values())
    count = min(count or len(every), len(every))
    return [every[index * len(every) // count] for index in range(count)]


async def stream(settings: Settings, directory: Path, fed: int) -> Pass:
    """Measure a worker with the model, from the first document read to the last pair curated.

    ``fed`` documents are on their topic.
    """
    metrics = Metrics()
    tally = Tally(metrics)
    async with contextlib.aclosing(await RoleModels.load(settings, directory)) as models:
        worker = Worker(settings, metrics=metrics)
        cost = await through(
            worker, models.handles, lambda: stream_state(tally.read(), fed), poll_seconds=0.25
        )
    counts = tally.read()
    passages, rated = (
        counts.get((Segmenter.stage, "segments"), 0),
        counts.get((Scorer.stage, "scored"), 0),
    )
    return Pass(fed, passages, rated, counts.get((Curator.stage, "curated"), 0), cost.seconds)


async def engine_alone(settings: Settings, directory: Path, count: int) -> Pass:
    """Measure the model without Kafka, with as many passages at once as in a stage.

    Each instruction is rated as soon as it is written. The time does not include cutting the
    documents. The agents lay out the prompts, so they are the same as in the stream.
    """
    async with contextlib.aclosing(await RoleModels.load(settings, directory)) as models:
        agents = {name: make() for name, make in agent_makers(settings, models.handles).items()}
        segments: dict[str, Segment] = {}
        chosen = documents(count)
        for document in chosen:
            segments |= {
                s.id: s
                for s in await agents[Segmenter.stage].handle(document)
                if isinstance(s, Segment)
            }
        places = asyncio.Semaphore(settings.generation.in_flight)

        async def carry(segment: Segment) -> int:
            async with places:
                written = [
                    one
                    for one in await agents[Backward.stage].handle(segment)
                    if isinstance(one, Candidate)
                ]
                return sum(
                    [len(await agents[Scorer.stage].handle(candidate)) for candidate in written]
                )

        started = time.perf_counter()
        rated = sum(await asyncio.gather(*map(carry, segments.values())))
        return Pass(len(chosen), len(segments), rated, 0, time.perf_counter() - started)
