"""A loaded release, which writes instructions and rates pairs."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

from models.engine import Choice, Engine, ThreadBudget
from models.evaluation.calibration import CalibrationLine, calibrated
from models.judging.evidence import EvidenceKind
from models.judging.examiner import Examiner
from models.judging.judge import Judges
from models.judging.rater import Rater
from models.prompts.layout import Prompter
from models.prompts.openings import LEAST_SHARE
from models.prompts.prompt import Prompt
from models.prompts.template import Task
from models.releases.golden import reproduce, require_templates
from models.releases.release import read_manifest
from models.sampling import Sampling
from models.serving.written import WrittenInstruction, WrittenText
from schemas.errors import ModelError, PromptTooLong
from schemas.ids import example_id, sampling_seed
from schemas.records import Rating, Turn

_PROSE = (
    "To open a file, call open() with its name. Use it in a with statement, so that it is closed "
    "again."
)
"""Sample from which the number of characters a token is estimated."""
_PROBE_TOKENS = 16
_NORMALISED = 4
"""By how much a tokenizer may shorten a text before it makes tokens of it, at most."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A release with its engine, which it owns."""

    release: str
    engine: Engine
    prompter: Prompter
    term: int = 0
    """The deployment term in which it serves; see ``Rating.term``."""
    calibration: CalibrationLine | None = None
    """Maps its ratings to the scale of human ratings; None if not calibrated."""
    judges: Judges | None = None
    """What it turns evidence into ratings with; None where digits alone rate."""
    evidence: EvidenceKind = EvidenceKind.COMBINED
    """What ratings are made from, where the release has a judge for it."""
    rater: Rater = field(init=False)
    most_characters: int = field(init=False)
    """Characters that cannot fit the context window whatever they are."""

    def __post_init__(self) -> None:
        longest = self.prompter.longest_token * _NORMALISED
        object.__setattr__(self, "most_characters", self.engine.context_window * longest)
        rater = Rater(Examiner(self.engine, self.prompter), self.evidence, self.judges)
        object.__setattr__(self, "rater", rater)

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
        evidence: EvidenceKind = EvidenceKind.COMBINED,
    ) -> "ServedModel":
        """Load a release and reproduce its golden vectors, without blocking the event loop.

        ``system`` is the system prompt of the backward and rating prompts, for a model with a chat
        template. Models that share a ``budget`` compute in turns. ``evidence`` is what ratings are
        made from. The other parameters are those of ``Engine.load``.

        Raises ModelError if the release does not match its manifest.
        """
        manifest = read_manifest(directory)
        prompter = await asyncio.to_thread(Prompter.load, directory)
        require_templates(manifest, prompter)
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
            manifest.id,
            engine,
            replace(prompter, system=system),
            term,
            manifest.calibration,
            manifest.judges,
            evidence,
        )

    @property
    def device(self) -> str:
        """Where it computes: ``cpu`` or ``cuda``."""
        return self.engine.device

    @property
    def placement(self) -> str:
        """Its release and device, and why a GPU is not used whose driver is installed."""
        unused = self.engine.unused_gpu
        return f"{self.release} on {self.device}" + (f" ({unused})" if unused else "")

    @property
    def generation_slots(self) -> int:
        """Texts that it writes side by side."""
        return self.engine.generation_slots

    async def write_instruction(
        self,
        parent_id: str,
        response: str,
        context: str | None,
        sampling: Sampling,
        sample: int = 0,
        *,
        headings: Sequence[str] = (),
        openings: Mapping[str, float] | None = None,
        turns: Sequence[Turn] = (),
        lead: str = "",
    ) -> WrittenInstruction:
        """Write the instruction that ``response`` answers, after ``turns``.

        ``headings`` are those above the passage. ``openings`` are first words of instructions with
        their weights (``models/prompts/openings.py``); with None or no words, or
        where all of them are improbable, the model chooses. With ``lead``, the instruction begins
        with that in place of any of them. Sampling is seeded from the example's
        id, so a replay writes the same instruction. Raises PromptTooLong if the passage does not
        fit the context window.
        """
        template = self.prompter.template_id(Task.BACKWARD)
        id = example_id(parent_id, self.release, template, sample)
        begun = self.prompter.lead_ids(lead)
        first = () if begun else self.prompter.opening_ids(openings or {})
        seeded = replace(sampling, seed=sampling_seed(id), first=first, first_least=LEAST_SHARE)
        self._refuse_too_long(response, context, *(turn.text for turn in turns))
        prompt = [*self.prompter.backward(response, context, headings, turns), *begun]
        generation = await self.engine.generate(prompt, seeded, self.prompter.instruction_stop_ids)
        instruction = self.prompter.instruction((*begun, *generation.ids), generation.stop)
        return WrittenInstruction(
            id, instruction, context, generation.finished, self.release, template
        )

    def template_id(self, task: Task) -> str:
        """Name and version of a task's template."""
        return self.prompter.template_id(task)

    async def write(
        self, prompt: Prompt, sampling: Sampling, *, one_line: bool = False
    ) -> WrittenText:
        """Continue a prompt of any task. Raises PromptTooLong.

        ``one_line`` ends the text at its first line end.
        """
        self._refuse_too_long_to_encode(prompt.characters)
        prompter = self.prompter
        stops = prompter.line_stop_ids if one_line else frozenset(prompter.stop_ids)
        generation = await self.engine.generate(prompter.layout(prompt), sampling, stops)
        if one_line:
            text = prompter.line(generation.ids, generation.stop)
        else:
            text = prompter.text(generation.ids)
        return WrittenText(text, generation.finished)

    async def choose(self, prompt: Prompt, options: Sequence[str]) -> Choice:
        """The probabilities of options at the next token after a prompt.

        Raises PromptTooLong, and ModelError where two options begin with the same token.
        """
        self._refuse_too_long_to_encode(prompt.characters)
        ids = self.prompter.option_ids(prompt.task, options)
        return await self.engine.choose(self.prompter.layout(prompt), ids)

    async def likelihood(self, prompt: Prompt, text: str) -> float | None:
        """The mean log-probability of a token of ``text`` as the answer to a prompt, in nats.

        Raises PromptTooLong.
        """
        self._refuse_too_long_to_encode(prompt.characters + len(text))
        prompter = self.prompter
        return -fmean(await self.engine.score(prompter.layout(prompt), prompter.target(text)))

    async def rate(
        self,
        instruction: str,
        response: str,
        context: str | None,
        priority: int = 0,
        *,
        headings: Sequence[str] = (),
        turns: Sequence[Turn] = (),
    ) -> Rating:
        """Rate how well ``response``, which stands below ``headings``, answers ``instruction``.

        ``turns`` are what was said before. The score, 1 to 5, is the expected value over the
        grades. If the release has learned from human ratings, the score is on their scale; the
        probabilities are always the judge's own, or the digits'.
        Requests that wait in the engine are scheduled by ``priority``, the lowest first.

        Raises PromptTooLong, and ModelError ("unrated") if the pair cannot be rated.
        """
        self._refuse_too_long(instruction, response, context, *(turn.text for turn in turns))
        found = await self.rater.rate(
            instruction, response, context, priority, headings=headings, turns=turns
        )
        return Rating(
            score=calibrated(found.score, self.calibration),
            probabilities=found.probabilities,
            digit_mass=found.digit_mass,
            evidence=found.evidence,
            precision=found.precision,
            release=self.release,
            template=self.prompter.template_id(Task.RATING),
            term=self.term,
        )

    def _refuse_too_long(self, *texts: str | None) -> None:
        self._refuse_too_long_to_encode(sum(len(text or "") for text in texts))

    def _refuse_too_long_to_encode(self, characters: int) -> None:
        """Raise PromptTooLong for texts that cannot fit, before they are encoded.

        To encode four million characters takes seconds, in which nothing else runs.
        """
        if characters > self.most_characters:
            raise PromptTooLong(
                f"{characters:,} characters do not fit the model's context window of "
                f"{self.engine.context_window:,} tokens: shorten the text"
            )

    async def probe(self) -> None:
        """Rate and generate a token, to see whether the engine works. Raises EngineError."""
        prompt = self.prompter.rating("", "")[:_PROBE_TOKENS]
        await self.engine.rate(prompt, self.prompter.digit_ids)
        await self.engine.generate(prompt, Sampling(max_tokens=1), ())

    async def rates_by(self) -> str:
        """What its ratings are made from, and why where that is not what was asked for."""
        asked_for = self.rater.judge or self.rater.kind == self.evidence
        return f"{self.rater.kind}" + ("" if asked_for else ": it has no judge")

    def longest_passage(self, max_tokens: int) -> int:
        """Estimate how many characters of English prose fit into a passage.

        The context window also holds the rest of the prompt and ``max_tokens`` new tokens. The
        number of characters a token is taken from a sample. Raises ModelError if not even a
        sentence fits.
        """
        own = max(len(self.prompter.backward("")), len(self.prompter.rating("", "")))
        sample = len(self.prompter.target(_PROSE))
        room = self.engine.context_window - own - max_tokens
        if room < sample:
            raise ModelError(
                f"{self.release} has a context window of {self.engine.context_window:,} tokens: "
                f"its prompts take {own:,} and an instruction up to {max_tokens:,}, so no passage "
                "fits; choose another model or a lower generation.max_tokens"
            )
        return room * len(_PROSE) // sample

    async def aclose(self) -> None:
        """``close``, without blocking the event loop."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Close the engine, which frees its memory and ends its threads."""
        self.engine.close()
