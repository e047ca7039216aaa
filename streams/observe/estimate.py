"""An estimate of what documents would give: how many passages, how long they take, what is kept."""

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from agents.curator import Curator
from agents.scorer import Scorer
from models.evaluation.bootstrap import bootstrap_interval
from models.evaluation.estimate import Estimate
from schemas.errors import SettingsError, SourceError
from schemas.records import Candidate, Document, Example, Rejection, Scored, Segment
from streams.observe.preview import cut_documents
from streams.settings import Settings
from streams.stages.agent.protocol import Agent
from streams.stages.making import agent_makers, writers_of
from streams.worker.role_models import RoleModels


class Passages:
    """The passages of documents, of which a sample is kept. Each passage counts once."""

    def __init__(self, size: int) -> None:
        """``size`` passages are kept, those with the lowest ids: hashes of their texts."""
        self._size = size
        self._ids: set[int] = set()
        self._sample: list[tuple[int, Segment]] = []
        """A heap; the highest of the lowest ids is first."""
        self.refused: Counter[str] = Counter()
        self.unread: list[str] = []

    @property
    def total(self) -> int:
        """Number of different passages."""
        return len(self._ids)

    @property
    def sample(self) -> list[Segment]:
        """The passages that are kept, in the order of their ids."""
        return [segment for _, segment in sorted(self._sample, reverse=True)]

    def add(self, cut: Segment | Rejection | SourceError) -> None:
        """Take in what became of a part of a document."""
        if isinstance(cut, SourceError):
            self.unread.append(str(cut))
        elif isinstance(cut, Rejection):
            self.refused[cut.reason] += cut.count
        elif hash(cut.id) not in self._ids:
            self._ids.add(hash(cut.id))
            heapq.heappush(self._sample, (-int(cut.id, 16), cut))
            if len(self._sample) > self._size:
                heapq.heappop(self._sample)


@dataclass(frozen=True, slots=True)
class RunOfAgents:
    """What became of a sample of passages."""

    passages: int
    seconds: float
    kept: Estimate
    """Share of the passages that an example was kept of, with its 95% bootstrap interval."""
    refused: Counter[str] = field(default_factory=Counter)
    """Candidates, and passages without one, by the reason of their rejection."""
    device: str = ""

    @property
    def rate(self) -> float:
        """Passages a second."""
        return self.passages / self.seconds


def sample_passages(
    settings: Settings, documents: Iterable[Document | SourceError], size: int
) -> Passages:
    """Cut documents, count their passages, and keep ``size`` of them."""
    found = Passages(size)
    for cut in cut_documents(settings, documents):
        found.add(cut)
    return found


def run_agents(settings: Settings, model: Path, sample: Sequence[Segment]) -> RunOfAgents:
    """Run the agents on passages, as many at once as a worker does, and take the time.

    ``model`` is the directory of ``settings.model``. Loading is not timed. Raises SettingsError
    where there is no passage.
    """
    if not sample:
        raise SettingsError("there is no passage to run the agents on")
    return asyncio.run(_run(settings, model, sample))


async def _run(settings: Settings, model: Path, sample: Sequence[Segment]) -> RunOfAgents:
    models = await RoleModels.load(settings, model)
    try:
        agents = {name: make() for name, make in agent_makers(settings, models.handles).items()}
        writers = writers_of(settings, agents)
        for writer in writers:  # the first call is slower
            await agents[writer].handle(sample[0])
        places = asyncio.Semaphore(settings.generation.in_flight)
        started = time.monotonic()
        rated = await asyncio.gather(
            *(_rate(agents, writers, segment, places) for segment in sample)
        )
        kept: set[str] = set()
        refused: Counter[str] = Counter()
        for segment, outcomes in zip(sample, rated, strict=True):
            for outcome in outcomes:
                for last in await _curate(agents, outcome):
                    if isinstance(last, Example):
                        kept.add(segment.id)
                    elif isinstance(last, Rejection):
                        refused[last.reason] += last.count
        seconds = time.monotonic() - started
        device = " and ".join(dict.fromkeys(each.device for each in models.handles.values()))
    finally:
        await models.aclose()
    flags = np.array([segment.id in kept for segment in sample], dtype=float)
    share = bootstrap_interval(lambda rows: float(flags[rows].mean()), len(sample))
    return RunOfAgents(len(sample), seconds, share, refused, device)


async def _rate(
    agents: dict[str, Agent],
    writers: Sequence[str],
    segment: Segment,
    places: asyncio.Semaphore,
) -> list[Scored | Rejection]:
    async with places:
        rated: list[Scored | Rejection] = []
        for writer in writers:
            for made in await agents[writer].handle(segment):
                if isinstance(made, Candidate):
                    rated += await agents[Scorer.stage].handle(made)  # type: ignore[arg-type]
                elif isinstance(made, Rejection):
                    rated.append(made)
        return rated


async def _curate(agents: dict[str, Agent], outcome: Scored | Rejection) -> Sequence[object]:
    if isinstance(outcome, Rejection):
        return [outcome]
    return await agents[Curator.stage].handle(outcome)
