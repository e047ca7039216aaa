"""Records what a model is asked to write and what it writes, and measures a worker by that."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.chain import stream_state, through
from bench.process import State, Tally
from models.prompts.prompt import Prompt
from models.sampling import Sampling
from models.serving.role_model import RoleModel
from models.serving.written import WrittenText
from streams.kafka.topics import Topic
from streams.settings import Role, Settings
from streams.stages.metrics import Metrics
from streams.worker.role_models import RoleModels
from streams.worker.worker import Worker

_STALLED_SECONDS = 1800.0
"""A slow model has many records in work for minutes before the first one is done."""


@dataclass(frozen=True, slots=True)
class Written:
    """One sampled text."""

    instruction: str
    task: str
    seed: int
    text: str
    finished: bool


class RecordedModel:
    """A model whose texts are recorded, in a file too as it goes, where one is named."""

    def __init__(self, model: RoleModel, file: Path | None = None) -> None:
        self.asked = 0
        """Texts that were asked for."""
        self.written: list[Written] = []
        self._model = model
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    async def write(
        self, prompt: Prompt, sampling: Sampling, *, one_line: bool = False
    ) -> WrittenText:
        """What the model writes."""
        self.asked += 1
        found = await self._model.write(prompt, sampling, one_line=one_line)
        asked = prompt.texts.get("instruction", "")
        one = Written(asked, prompt.task, sampling.seed, found.text, found.finished)
        self.written.append(one)
        if self._file:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(one)) + "\n")
        return found


@dataclass(frozen=True, slots=True)
class Recording:
    """What a worker did with the records that were on a topic."""

    seconds: float
    """From the first text that was asked for to the last pair curated."""
    counts: Mapping[tuple[str, str], int]
    """As ``Tally.read`` gives them."""
    written: tuple[Written, ...]


async def recorded_stream(
    settings: Settings, models: RoleModels, fed: int, at: Topic, file: Path | None = None
) -> Recording:
    """Measure a worker that handles ``fed`` records of a topic with the forward model.

    It begins with the first text that is asked for: of few records, many may be in work before the
    first one is finished. Every text goes to ``file``, if one is given.
    """
    metrics = Metrics()
    tally = Tally(metrics)
    handle = models.handles[Role.FORWARD]
    served = handle.model
    recorded = RecordedModel(served, file)
    handle.model = recorded  # type: ignore[assignment]

    def state() -> State:
        found = stream_state(tally.read(), fed, at)
        return State(found.records + recorded.asked, found.complete)

    cost = await through(
        Worker(settings, metrics=metrics),
        models.handles,
        state,
        poll_seconds=0.25,
        stalled_seconds=_STALLED_SECONDS,
    )
    handle.model = served
    return Recording(cost.seconds, tally.read(), tuple(recorded.written))
