"""A worker answers questions that are on their topic; and the engine alone answers the same."""

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agents.answerer import Answerer
from agents.scorer import Scorer
from bench.chain import stream_state, through
from bench.process import Tally
from models.engine import EngineStats
from models.prompts.prompt import Prompt
from models.sampling import Sampling
from models.serving.role_model import RoleModel
from models.serving.served_model import ServedModel
from models.serving.written import WrittenText
from schemas.records import Candidate, Question
from streams.kafka.topics import QUESTIONS
from streams.settings import Role, Settings
from streams.stages.making import agent_makers
from streams.stages.metrics import Metrics
from streams.stages.topology import STAGES
from streams.worker.role_models import RoleModels
from streams.worker.worker import Worker

_STALLED_SECONDS = 1800.0
"""A question takes a slow model minutes."""


@dataclass(frozen=True, slots=True)
class Written:
    """One sampled answer."""

    instruction: str
    task: str
    seed: int
    text: str
    finished: bool


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over the questions."""

    questions: int
    seconds: float
    candidates: int
    stats: EngineStats
    written: tuple[Written, ...] = ()


class _Recording:
    """A model that notes what it writes, in a file too as it goes, where one is named."""

    def __init__(self, model: RoleModel, written: list[Written], file: Path | None) -> None:
        self._model = model
        self._written = written
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    async def write(
        self, prompt: Prompt, sampling: Sampling, *, one_line: bool = False
    ) -> WrittenText:
        found = await self._model.write(prompt, sampling, one_line=one_line)
        asked = prompt.texts["instruction"]
        one = Written(asked, prompt.task, sampling.seed, found.text, found.finished)
        self._written.append(one)
        if self._file:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(one)) + "\n")
        return found


async def stream(settings: Settings, directory: Path, fed: int, file: Path | None = None) -> Pass:
    """Measure a worker from the first question read to the last pair curated.

    Every sampled answer goes to ``file``, if one is given.
    """
    metrics, written = Metrics(), list[Written]()
    tally = Tally(metrics)
    async with contextlib.aclosing(await RoleModels.load(settings, directory)) as models:
        handle = models.handles[Role.FORWARD]
        served = handle.model
        handle.model = _Recording(served, written, file)  # type: ignore[assignment]
        cost = await through(
            Worker(settings, metrics=metrics),
            models.handles,
            lambda: stream_state(tally.read(), fed, QUESTIONS),
            poll_seconds=0.25,
            stalled_seconds=_STALLED_SECONDS,
        )
        handle.model = served
        stats = _stats(served)
    made = tally.read().get((Answerer.stage, "candidates"), 0)
    return Pass(fed, cost.seconds, made, stats, tuple(written))


async def engine_alone(settings: Settings, directory: Path, questions: Sequence[Question]) -> Pass:
    """Measure the same agents without Kafka, with as many questions at once as in a stage.

    Each candidate is rated as soon as it is made.
    """
    async with contextlib.aclosing(await RoleModels.load(settings, directory)) as models:
        agents = {name: make() for name, make in agent_makers(settings, models.handles).items()}
        [spec] = [one for one in STAGES if one.name == Answerer.stage]
        places = asyncio.Semaphore(spec.policy(settings).in_flight)

        async def answer(question: Question) -> int:
            async with places:
                made = [
                    one
                    for one in await agents[Answerer.stage].handle(question)
                    if isinstance(one, Candidate)
                ]
                for candidate in made:
                    await agents[Scorer.stage].handle(candidate)
                return len(made)

        started = time.perf_counter()
        candidates = sum(await asyncio.gather(*map(answer, questions)))
        seconds = time.perf_counter() - started
        stats = _stats(models.handles[Role.FORWARD].model)
    return Pass(len(questions), seconds, candidates, stats)


def _stats(model: RoleModel) -> EngineStats:
    assert isinstance(model, ServedModel)
    return model.engine.stats()
