"""Records what a model is asked to write, and what it writes."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.chain import stream_state
from bench.process import State, Tally
from models.prompts.prompt import Prompt
from models.sampling import Sampling
from models.serving.role_model import RoleModel
from models.serving.written import WrittenText
from streams.kafka.topics import Topic


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

    def state(self, tally: Tally, fed: int, at: Topic) -> State:
        """As ``stream_state``; but a measurement begins with the first text that is asked for.

        Of few records, many may be in work before the first one is finished.
        """
        found = stream_state(tally.read(), fed, at)
        return State(found.records + self.asked, found.complete)
