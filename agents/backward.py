"""The backward agent: writes the instruction that a passage answers (Myx in arXiv 2308.06259).

For a task with a context, the passage is the context, and the instruction is written for that
together with its answer, a part of the passage (``agents/tasks/``).
"""

import asyncio
from collections.abc import Mapping

from agents.tasks.choosing import Assignment, TaskChooser
from agents.tasks.labels import Choice
from agents.tasks.material import Material
from models.prompts.categories import FIRST_WORDS, category_of
from models.prompts.template import Task
from models.sampling import Sampling
from models.serving.model_handle import ModelHandle
from models.serving.role_model import RoleModel
from models.serving.written import WrittenInstruction
from schemas.categories import Category, Mix
from schemas.errors import PromptTooLong
from schemas.ids import example_id
from schemas.records import Candidate, Offset, Provenance, Rejection, Segment

_LABELS_TEMPLATE = "labels.1"
"""Name and version of the wordings of ``agents/tasks/labels.py``, for provenance."""
_LONGEST = 3000
_TEXTS_AHEAD = 2
"""Texts that are asked for at once, for each that the model writes side by side.

One is written while another waits for its place. More would only delay passages: a task with a
context asks the model several times in turn, and the engine answers in the order of the requests,
so the last request of the first passage would come after those of all passages in flight.
"""


class Backward:
    """Segment → for each sample, a Candidate or a Rejection."""

    stage = "backward"

    def __init__(
        self,
        handle: ModelHandle,
        sampling: Sampling,
        samples: int = 1,
        openings: Mapping[str, float] | None = None,
        mix: Mix | None = None,
        longest: int = _LONGEST,
    ) -> None:
        """``openings`` are first words of instructions with their weights; None for any.

        ``mix`` has the wanted shares of the categories. Without it every passage is a response.
        ``longest`` is the most characters of a passage.
        """
        self._handle = handle
        self._openings = openings or {}
        self._sampling = sampling
        self._samples = samples
        self._tasks = TaskChooser(mix or {}, longest)
        self._places = asyncio.Semaphore(
            max(1, _TEXTS_AHEAD * handle.model.generation_slots // self._samples)
        )

    async def handle(
        self, segment: Segment, at: Offset | None = None
    ) -> list[Candidate | Rejection]:
        """Write ``samples`` instructions for a segment, concurrently; one for a classification.

        Waits while as many segments are begun as keep the model busy. A segment whose prompt is
        too long gives one rejection, and so does one that can set no task of the mix. Identical
        instructions are not removed here: the curator keeps one sample of a segment.
        """
        # A place first: a passage that waits for one keeps no model from being replaced.
        async with self._places, self._handle.borrow() as model:
            try:
                chosen = await self._tasks.choose(model, segment)
                if chosen is None:
                    return [segment.refuse(self.stage, "no_task", "none of curation.mix fits it")]
                return await self._make(model, segment, chosen)
            except PromptTooLong as error:
                return [
                    segment.refuse(self.stage, "prompt_too_long", str(error), release=model.release)
                ]

    async def probe(self) -> None:
        """See whether the model works, without a record. Raises EngineError where it does not."""
        await self._handle.probe()

    async def _make(
        self, model: RoleModel, segment: Segment, chosen: Assignment
    ) -> list[Candidate | Rejection]:
        if chosen.material and chosen.material.choice:
            return [_classification(model, segment, chosen.material, chosen.material.choice)]
        written = await asyncio.gather(
            *(self._write(model, segment, chosen, sample) for sample in range(self._samples))
        )
        return [self._judge(segment, chosen, sample, one) for sample, one in enumerate(written)]

    async def _write(
        self, model: RoleModel, segment: Segment, chosen: Assignment, sample: int
    ) -> WrittenInstruction:
        material = chosen.material
        if material is None:
            return await model.write_instruction(
                segment.id,
                segment.text,
                segment.context,
                self._sampling,
                sample,
                headings=segment.headings,
                # Later messages of a user begin in other ways than first ones.
                openings=None if segment.turns else self._openings_of(chosen.category),
                turns=segment.turns,
            )
        return await model.write_instruction(
            segment.id,
            material.response,
            material.context,
            self._sampling,
            sample,
            headings=segment.headings,
            lead=await self._tasks.first_word(model, segment, material, sample),
        )

    def _openings_of(self, category: Category | None) -> Mapping[str, float]:
        """The openings that a category's instructions begin with; all where it has none of them."""
        known = FIRST_WORDS[category] if category else {}
        return {w: weight for w, weight in self._openings.items() if w in known} or self._openings

    def _judge(
        self, segment: Segment, chosen: Assignment, sample: int, written: WrittenInstruction
    ) -> Candidate | Rejection:
        if not written.instruction:
            return segment.refuse(
                self.stage,
                "empty_instruction",
                "the model wrote nothing",
                id=written.id,
                release=written.release,
            )
        if not written.complete:
            cut = written.instruction[:200]
            return segment.refuse(
                self.stage, "unfinished_instruction", cut, id=written.id, release=written.release
            )
        category = chosen.category and category_of(written.instruction, chosen.category)
        return Candidate(
            id=written.id,
            instruction=written.instruction,
            context=written.context,
            response=chosen.material.response if chosen.material else segment.text,
            turns=segment.turns,
            category=category,
            provenance=_provenance(
                segment, written.release, written.template, sample, self._samples
            ),
        )


def _classification(
    model: RoleModel, segment: Segment, material: Material, choice: Choice
) -> Candidate:
    # The id that any other task of the passage would have: where a model chooses another one the
    # second time, as one behind an address may, the passage has one example still.
    id = example_id(segment.id, model.release, model.template_id(Task.BACKWARD), 0)
    return Candidate(
        id=id,
        instruction=choice.instruction,
        context=material.context,
        response=material.response,
        category=material.category,
        provenance=_provenance(segment, model.release, _LABELS_TEMPLATE),
    )


def _provenance(
    segment: Segment, release: str, template: str, sample: int = 0, samples: int = 1
) -> Provenance:
    return Provenance(
        source=segment.source,
        document_id=segment.document_id,
        document_at=segment.document_at,
        segment_id=segment.id,
        headings=segment.headings,
        language=segment.language,
        release=release,
        template=template,
        sample=sample,
        samples=samples,
    )
