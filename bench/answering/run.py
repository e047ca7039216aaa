"""A worker answers questions that are on their topic; and the engine alone answers the same."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.answerer import Answerer
from agents.scorer import Scorer
from bench.recorded_model import Written, recorded_stream
from models.engine import EngineStats
from models.serving.role_model import RoleModel
from models.serving.served_model import ServedModel
from schemas.records import Candidate, Question
from streams.kafka.topics import QUESTIONS
from streams.settings import Role, Settings
from streams.stages.making import agent_makers
from streams.stages.topology import STAGES
from streams.worker.role_models import RoleModels


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over the questions."""

    questions: int
    seconds: float
    candidates: int
    stats: EngineStats
    written: tuple[Written, ...] = ()


async def stream(settings: Settings, directory: Path, fed: int, file: Path | None = None) -> Pass:
    """Measure a worker from the first answer asked for to the last pair curated.

    Every sampled answer goes to ``file``, if one is given.
    """
    async with contextlib.aclosing(await RoleModels.load(settings, directory)) as models:
        found = await recorded_stream(settings, models, fed, QUESTIONS, file)
        stats = _stats(models.handles[Role.FORWARD].model)
    made = found.counts.get((Answerer.stage, "candidates"), 0)
    return Pass(fed, found.seconds, made, stats, found.written)


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
