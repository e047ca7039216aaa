"""The inventor agent: new instructions after exemplars (Self-Instruct, arXiv 2212.10560)."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.inventing.instances import (
    Instance,
    contradictions,
    input_of,
    labels_of,
    refuse_answer,
    refuse_input,
)
from agents.inventing.settings import InventionSettings
from agents.refusal import Refusal
from models.evaluation.rouge import NEAR, rouge_l
from models.evaluation.words import words
from models.prompts.prompt import Prompt
from models.prompts.tasks.invention import NO, YES
from models.prompts.template import BOTH_TAGS, Task
from models.sampling import Sampling
from models.serving.model_handle import ModelHandle
from models.serving.role_model import RoleModel
from schemas.categories import Category
from schemas.errors import ModelError, PromptTooLong
from schemas.ids import example_id, sampling_seed
from schemas.records import Bootstrap, Candidate, Offset, Provenance, Rejection

_LED = re.compile(r"(?:\d+[.)](?=\s|$)|(?:input|labels?):)\s*", re.IGNORECASE)
"""What leads an answer in the prompt. A model may repeat it, and a server is not told of it."""
_LEAST_MASS = 0.1
"""Probability of yes and no together below which the model has not answered which kind it is."""
_SHOWN = 200
"""Characters of a text that a rejection shows."""

_GENERATION = (Task.INVENTION, Task.KIND, Task.INPUT, Task.FORWARD)
_CLASSIFICATION = (Task.INVENTION, Task.KIND, Task.LABELS, Task.LABELLED_INPUT)
"""The tasks whose prompts an example is made with."""

Outcomes = list[Candidate | Rejection]


class Inventor:
    """Bootstrap → Candidates of one new instruction, or Rejections.

    The model of the forward role does every step. What it samples is seeded from the ids of the
    examples, so a replay writes the same. The rules here need only the request; those on the text
    of an instruction and on its novelty are the curator's.
    """

    stage = "inventor"

    def __init__(self, handle: ModelHandle, settings: InventionSettings | None = None) -> None:
        self._handle = handle
        self._settings = settings or InventionSettings()

    async def handle(self, bootstrap: Bootstrap, at: Offset | None = None) -> Outcomes:
        """Invent an instruction, and make up to ``instances`` examples of it.

        A request whose prompts are too long gives one rejection.
        """
        async with self._handle.borrow() as model:
            try:
                return await _Invention(bootstrap, model, self._settings).outcomes()
            except PromptTooLong as error:
                return [
                    bootstrap.refuse(
                        self.stage, "prompt_too_long", str(error), release=model.release
                    )
                ]

    async def probe(self) -> None:
        """See whether the model works, without a record. Raises EngineError where it does not."""
        await self._handle.probe()


@dataclass(frozen=True, slots=True)
class _Invention:
    """One request and the model that serves it."""

    bootstrap: Bootstrap
    model: RoleModel
    settings: InventionSettings

    async def outcomes(self) -> Outcomes:
        """The candidates, or why there are none. Raises PromptTooLong."""
        instruction = await self._instruct()
        if isinstance(instruction, Refusal):
            return [self._refuse(instruction)]
        if await self._is_classification(instruction):
            return await self._classify(instruction)
        return await self._generate(instruction)

    async def _instruct(self) -> str | Refusal:
        """A new instruction, in one line."""
        shown = [" ".join(one.instruction.split()) for one in self.bootstrap.exemplars]
        tasks = "\n".join(f"{number}. {task}" for number, task in enumerate(shown, 1))
        id = self._id((Task.INVENTION,), 0)
        texts = {"tasks": tasks, "number": str(len(shown) + 1)}
        written = await self._line(Task.INVENTION, texts, self._sampled(id))
        if isinstance(written, Refusal):
            return written
        if not written:
            return Refusal("empty_instruction", "the model wrote nothing")
        if any(rouge_l(words(other), words(written)) >= NEAR for other in shown):
            return Refusal("copied_exemplar", written[:_SHOWN])
        return written

    async def _is_classification(self, instruction: str) -> bool:
        """Whether the answer is one of a few labels, as the model says.

        The probabilities of yes and no are divided by those without an instruction, because a model
        favours one of them whatever it is asked (Zhao et al., arXiv 2102.09690).
        """
        options = (YES, NO)
        try:
            asked, nothing = await asyncio.gather(
                *(
                    self.model.choose(self._prompt(Task.KIND, {"instruction": each}), options)
                    for each in (instruction, "")
                )
            )
        except PromptTooLong:
            raise
        except ModelError:  # it said neither
            return False
        if min(asked.mass, nothing.mass) < _LEAST_MASS:
            return False
        (yes, no), (yes_alone, no_alone) = asked.probabilities, nothing.probabilities
        return yes * no_alone > no * yes_alone

    async def _generate(self, instruction: str) -> Outcomes:
        """Instances of a task: the input first, then the answer.

        A task without an input has one instance.
        """
        given: list[str | Refusal | None] = [await self._input(instruction, 0)]
        if given[0] is not None:
            samples = range(1, self.settings.instances)
            given += await asyncio.gather(*(self._input(instruction, each) for each in samples))
        refused: dict[int, Refusal] = {}
        inputs: dict[int, str | None] = {}
        for sample, one in enumerate(given):
            refusal = one if isinstance(one, Refusal) else refuse_input(one, [*inputs.values()])
            if refusal:
                refused[sample] = refusal
            elif not isinstance(one, Refusal):
                inputs[sample] = one
        answers = await asyncio.gather(
            *(self._answer(instruction, each, sample) for sample, each in inputs.items())
        )
        instances: list[Instance] = []
        for sample, answer in zip(inputs, answers, strict=True):
            if isinstance(answer, Refusal):
                refused[sample] = answer
            else:
                instances.append(answer)
        return self._outcomes(instruction, _GENERATION, instances, refused, None)

    async def _classify(self, instruction: str) -> Outcomes:
        """Instances of a classification: the label first, then an input that has it.

        A model that writes inputs first writes most of them for one label.
        """
        id = self._id(_CLASSIFICATION, 0)
        greedy = replace(self._sampled(id), temperature=0.0)
        listed = await self._line(Task.LABELS, {"instruction": instruction}, greedy)
        if isinstance(listed, Refusal):
            return [self._refuse(listed)]
        labels = labels_of(listed)[: self.settings.instances]
        if len(labels) < 2:
            return [self._refuse(Refusal("no_labels", listed[:_SHOWN]))]
        inputs = await asyncio.gather(
            *(self._input(instruction, sample, label) for sample, label in enumerate(labels))
        )
        refused: dict[int, Refusal] = {}
        instances: list[Instance] = []
        for sample, (label, given) in enumerate(zip(labels, inputs, strict=True)):
            if isinstance(given, Refusal):
                refused[sample] = given
            elif refusal := refuse_input(given, ()):
                refused[sample] = refusal
            else:
                instances.append(Instance(sample, given, label))
        return self._outcomes(
            instruction, _CLASSIFICATION, instances, refused, Category.CLASSIFICATION
        )

    async def _input(self, instruction: str, sample: int, label: str = "") -> str | Refusal | None:
        """An input for the instruction, or one that has the label; None where it needs none."""
        task = Task.LABELLED_INPUT if label else Task.INPUT
        id = self._id(_CLASSIFICATION if label else _GENERATION, sample)
        texts = {"instruction": instruction, "label": label}
        written = await self._line(task, texts, self._sampled(id))
        return written if isinstance(written, Refusal) else input_of(written)

    async def _answer(self, instruction: str, given: str | None, sample: int) -> Instance | Refusal:
        texts = {"instruction": instruction, "context": given or ""}
        id = self._id(_GENERATION, sample)
        sampling = replace(self._sampled(id), temperature=0.0, max_tokens=self.settings.max_tokens)
        written = await self.model.write(self._prompt(Task.FORWARD, texts), sampling)
        if not written.finished:
            return Refusal("unfinished_output", written.text[:_SHOWN])
        return Instance(sample, given, written.text)

    async def _line(self, task: Task, texts: dict[str, str], sampling: Sampling) -> str | Refusal:
        """One line, as the model writes it."""
        written = await self.model.write(self._prompt(task, texts), sampling, one_line=True)
        if written.finished:
            led = _LED.match(written.text)
            return written.text[led.end() :] if led else written.text
        name = "instruction" if task is Task.INVENTION else "input"
        name = "labels" if task is Task.LABELS else name
        return Refusal(f"unfinished_{name}", written.text[:_SHOWN])

    def _outcomes(
        self,
        instruction: str,
        tasks: Sequence[Task],
        instances: Sequence[Instance],
        refused: dict[int, Refusal],
        category: Category | None,
    ) -> Outcomes:
        """The instances that pass as candidates, and the others as rejections."""
        contradicting = contradictions(instances)
        for one in instances:
            if refusal := refuse_answer(one) or contradicting.get(one.sample):
                refused[one.sample] = refusal
        kept = {one.sample: one for one in instances if one.sample not in refused}
        return [
            self._candidate(instruction, tasks, kept[sample], category)
            if sample in kept
            else self._refuse(refused[sample], self._id(tasks, sample))
            for sample in sorted({*kept, *refused})
        ]

    def _candidate(
        self, instruction: str, tasks: Sequence[Task], instance: Instance, category: str | None
    ) -> Candidate:
        return Candidate(
            id=self._id(tasks, instance.sample),
            instruction=instruction,
            context=instance.given,
            response=instance.answer,
            category=category,
            provenance=Provenance(
                source=self.bootstrap.source,
                generator=Inventor.stage,
                request_id=self.bootstrap.id,
                exemplars=tuple(one.id for one in self.bootstrap.exemplars),
                release=self.model.release,
                template=self._template(tasks),
                sample=instance.sample,
            ),
        )

    def _refuse(self, refusal: Refusal, id: str | None = None) -> Rejection:
        return self.bootstrap.refuse(
            Inventor.stage, refusal.reason, refusal.detail, id=id, release=self.model.release
        )

    def _sampled(self, id: str) -> Sampling:
        """The sampling of a line, seeded from an example's id."""
        return replace(
            self.settings.sampling(), max_tokens=self.settings.line_tokens, seed=sampling_seed(id)
        )

    def _prompt(self, task: Task, texts: dict[str, str]) -> Prompt:
        return Prompt(task, {"tag": BOTH_TAGS, **texts})

    def _id(self, tasks: Sequence[Task], sample: int) -> str:
        return example_id(self.bootstrap.id, self.model.release, self._template(tasks), sample)

    def _template(self, tasks: Sequence[Task]) -> str:
        """The templates of some tasks, as one name."""
        return " ".join(map(self.model.template_id, tasks))
