"""A loaded release: one model in the two roles that agents know, writing instructions and rating
pairs.
"""

import asyncio
import math
from dataclasses import dataclass, replace
from pathlib import Path

from models.engine import Engine, Sampling, ThreadBudget
from models.evaluation.calibration import CalibrationLine, calibrated
from models.prompts.layout import Prompter
from models.prompts.templates import DIGITS, Task
from models.releases.release import read_manifest, reproduce
from schemas.errors import ModelError
from schemas.ids import example_id, sampling_seed
from schemas.records import Rating

_PROSE = (
    "To open a file, call open() with its name. Use it in a with statement, so that it is closed "
    "again."
)
"""Tells how many characters a tokenizer puts into a token."""
_LOWEST_DIGIT_MASS = 1e-6
"""A model that gives the five digits together less than this has not understood the question."""


@dataclass(frozen=True, slots=True)
class Written:
    """An instruction that the backward model wrote. ``complete`` is False where it ran into the
    token limit.
    """

    id: str
    instruction: str
    context: str | None
    complete: bool
    release: str
    template: str


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A release in service. It owns its engine."""

    release: str
    engine: Engine
    prompter: Prompter
    term: int = 0
    """Which taking of service this is; see ``Rating.term``."""
    calibration: CalibrationLine | None = None
    """What brings its ratings to people's scale; None where they are taken as they are."""

    @classmethod
    async def load(
        cls,
        directory: Path,
        *,
        device: str = "auto",
        threads: int | None = None,
        precision: str = "auto",
        memory_gb: float | None = None,
        system: str = "",
        budget: ThreadBudget | None = None,
        term: int = 0,
    ) -> "ServedModel":
        """Load a release and reproduce its golden vector. Raises ModelError where it is not what
        its manifest says.

        ``system`` leads the backward and rating prompts of a model with a chat template. Models
        that share a ``budget`` compute in turns. The event loop is not held up. The rest is as in
        ``Engine.load``.
        """
        manifest = read_manifest(directory)
        prompter = await asyncio.to_thread(Prompter.load, directory)
        current = {str(task): prompter.template(task).id for task in Task}
        differing = sorted(
            task for task, template in manifest.templates.items() if current.get(task) != template
        )
        if differing:
            raise ModelError(
                f"release {manifest.id} was trained on other templates for "
                f"{', '.join(differing)}: train a new one"
            )
        engine = await asyncio.to_thread(
            Engine.load,
            directory,
            device=device,
            threads=threads,
            precision=precision,
            memory_gb=memory_gb,
            budget=budget,
        )
        try:
            await reproduce(directory, engine, prompter)
        except BaseException:
            engine.close()
            raise
        return cls(
            manifest.id, engine, replace(prompter, system=system), term, manifest.calibration
        )

    async def write_instruction(
        self,
        parent_id: str,
        response: str,
        context: str | None,
        sampling: Sampling,
        sample: int = 0,
    ) -> Written:
        """The instruction that ``response`` answers; seeded by the example's id, so that a replay
        writes the same.

        Raises PromptTooLong where the passage does not fit the context window.
        """
        template = self.prompter.template_id(Task.BACKWARD)
        id = example_id(parent_id, self.release, template, sample)
        seeded = replace(sampling, seed=sampling_seed(id))
        prompt = self.prompter.backward(response, context)
        generation = await self.engine.generate(prompt, seeded, self.prompter.instruction_stop_ids)
        instruction = self.prompter.instruction(generation.ids, generation.stop)
        return Written(id, instruction, context, generation.finished, self.release, template)

    async def rate(
        self, instruction: str, response: str, context: str | None, priority: int = 0
    ) -> Rating:
        """How well ``response`` serves ``instruction``: the expected value over the digits '1' to
        '5'.

        Where the release is calibrated the score is on people's scale; the probabilities are the
        model's own.

        ``priority`` is as in ``Request``: of what waits in the engine, the lowest goes first.

        Raises PromptTooLong, and ModelError where the model puts no weight on any digit ("unrated",
        never 0).
        """
        prompt = self.prompter.rating(instruction, response, context)
        read = await self.engine.rate(prompt, self.prompter.digit_ids, priority)
        if not math.isfinite(read.mass) or read.mass < _LOWEST_DIGIT_MASS:
            raise ModelError(
                "unrated: the model gives the digits 1 to 5 a probability of "
                f"{read.mass:.1e} together"
            )
        score = sum(int(digit) * p for digit, p in zip(DIGITS, read.probabilities, strict=True))
        return Rating(
            score=calibrated(score, self.calibration),
            probabilities=read.probabilities,
            digit_mass=min(1.0, read.mass),
            release=self.release,
            template=self.prompter.template_id(Task.RATING),
            term=self.term,
        )

    def longest_passage(self, max_tokens: int) -> int:
        """Characters of English prose that fit the context window beside the prompt's own words and
        ``max_tokens`` new ones.

        An estimate, by what the tokenizer makes of a sample. Raises ModelError where not even a
        sentence fits.
        """
        own = max(len(self.prompter.backward("")), len(self.prompter.rating("", "")))
        sample = len(self.prompter.target(_PROSE))
        room = self.engine.context_window - own - max_tokens
        if room < sample:
            raise ModelError(
                f"{self.release} has a context window of {self.engine.context_window:,} "
                f"tokens: its prompts take {own:,} and an "
                f"instruction up to {max_tokens:,}, so no passage fits; choose another model "
                "or a lower generation.max_tokens"
            )
        return room * len(_PROSE) // sample

    def close(self) -> None:
        """Give the engine's memory and thread back."""
        self.engine.close()
