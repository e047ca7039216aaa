"""The answerer agent: answers a question several times and keeps what most of the answers agree on.

Self-consistency (arXiv 2203.11171), and LMSI, which trains on such answers (arXiv 2210.11610).
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.answers.agreement import Majority, largest_cluster, majority
from agents.answers.finding import final_answer
from agents.answers.form import Form
from agents.answers.forms import AnswerForm, form_of
from agents.answers.settings import AnsweringSettings
from models.prompts.prompt import Prompt
from models.prompts.template import BOTH_TAGS
from models.serving.model_handle import ModelHandle
from models.serving.role_model import RoleModel
from schemas.errors import PromptTooLong
from schemas.ids import example_id, sampling_seed
from schemas.records import Candidate, Offset, Provenance, Question, Rejection

_SHOWN = 80
"""Characters of an answer that a rejection shows."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """One sample of a question."""

    id: str
    """Its example id."""
    template: str
    text: str = ""
    final: str | None = None
    """Its final answer, where the question's form has one."""
    failure: str | None = None
    """Why it has no vote: the reason of a rejection."""


class Answerer:
    """Question → a Candidate, or one for each answer that agrees; a Rejection where too few do.

    What agrees with what is told by the form of the question's answer (``agents/answers/``). A
    sample that is empty, unfinished, or without a final answer has no vote, and counts among the
    samples.
    """

    stage = "answerer"

    def __init__(self, handle: ModelHandle, settings: AnsweringSettings | None = None) -> None:
        self._handle = handle
        self._settings = settings or AnsweringSettings()

    async def handle(
        self, question: Question, at: Offset | None = None
    ) -> list[Candidate | Rejection]:
        """Answer a question ``samples`` times, concurrently."""
        asked = form_of(question)
        async with self._handle.borrow() as model:
            answers = await asyncio.gather(
                *(
                    self._answer(model, question, asked, sample)
                    for sample in range(self._settings.samples)
                )
            )
            return self._judge(question, asked, answers, model.release)

    async def probe(self) -> None:
        """See whether the model works, without a record. Raises EngineError where it does not."""
        await self._handle.probe()

    async def _answer(
        self, model: RoleModel, question: Question, asked: AnswerForm, sample: int
    ) -> _Answer:
        task = self._settings.format_of(sample, asked.form).task
        template = model.template_id(task)
        answer = _Answer(example_id(question.id, model.release, template, sample), template)
        prompt = Prompt(
            task,
            {
                "instruction": question.instruction,
                "context": question.context or "",
                "tag": BOTH_TAGS,
            },
            question.turns,
        )
        sampling = replace(self._settings.sampling(), seed=sampling_seed(answer.id))
        try:
            written = await model.write(prompt, sampling)
        except PromptTooLong as error:
            return replace(answer, text=str(error), failure="prompt_too_long")
        text = written.text
        if not text:
            return replace(answer, failure="empty_answer")
        if not written.finished:
            return replace(answer, text=text, failure="unfinished_answer")
        final = final_answer(text, asked)
        if final is None and asked.form is not Form.TEXT:
            return replace(answer, text=text, failure="no_final_answer")
        return replace(answer, text=text, final=final)

    def _judge(
        self, question: Question, asked: AnswerForm, answers: Sequence[_Answer], release: str
    ) -> list[Candidate | Rejection]:
        voting = {number: one for number, one in enumerate(answers) if one.failure is None}
        failures = Counter(one.failure for one in answers if one.failure is not None)
        if not voting:
            [(reason, _)] = failures.most_common(1)
            detail = next(one.text for one in answers if one.failure == reason)
            return [question.refuse(self.stage, reason, detail[:_SHOWN], release=release)]
        texts = {number: one.text for number, one in voting.items()}
        if asked.form is Form.TEXT:
            agreed = largest_cluster(texts, self._settings.similarity)
        else:
            finals = {number: one.final for number, one in voting.items() if one.final is not None}
            agreed = majority(texts, finals)
        share = len(agreed.members) / len(answers)
        if share < self._settings.least_agreement:
            detail = _disagreement(agreed, len(answers), failures)
            return [question.refuse(self.stage, "no_agreement", detail, release=release)]
        kept = agreed.members if self._settings.keep == "all" else (agreed.medoid,)
        confidence = share if len(answers) > 1 else None
        return [
            self._candidate(question, answers[number], number, confidence, release)
            for number in kept
        ]

    def _candidate(
        self,
        question: Question,
        answer: _Answer,
        sample: int,
        confidence: float | None,
        release: str,
    ) -> Candidate:
        return Candidate(
            id=answer.id,
            instruction=question.instruction,
            context=question.context,
            response=answer.text,
            turns=question.turns,
            category=question.category,
            confidence=confidence,
            provenance=Provenance(
                source=question.source,
                generator=self.stage,
                request_id=question.id,
                release=release,
                template=answer.template,
                sample=sample,
                samples=self._settings.samples,
            ),
        )


def _disagreement(agreed: Majority, samples: int, failures: Counter[str]) -> str:
    """How many samples agree on what, and why others have no vote."""
    on = f" on {agreed.answer[:_SHOWN]!r}" if agreed.answer is not None else ""
    others = [f"{count} {reason}" for reason, count in sorted(failures.items())]
    return ", ".join((f"{len(agreed.members)} of {samples} agree{on}", *others))
