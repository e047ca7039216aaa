"""The answerer agent: votes, rejections by name, and what a candidate says of its origin."""

import asyncio
import dataclasses
from collections.abc import Callable
from typing import cast

import pytest

from agents.answerer import Answerer
from agents.answers.settings import AnsweringSettings
from agents.curation.settings import CuratorSettings
from agents.curator import Curator
from models.prompts.prompt import Prompt
from models.prompts.tasks.answering import AnswerFormat
from models.prompts.template import BOTH_TAGS, Task
from models.sampling import Sampling
from models.serving.model_handle import ModelHandle
from models.serving.role_model import RoleModel
from models.serving.written import WrittenText
from schemas.errors import PromptTooLong
from schemas.ids import example_id, question_id, sampling_seed
from schemas.records import Candidate, Example, Question, Rating, Rejection, Scored, Turn

Writes = Callable[[Prompt, int], WrittenText]


class _Model:
    """Writes what a function of the prompt and of the call's number says."""

    release = "r-1"

    def __init__(self, writes: Writes) -> None:
        self._writes = writes
        self.prompts: list[Prompt] = []
        self.sampled: list[Sampling] = []

    def template_id(self, task: Task) -> str:
        return f"{task}.test.1"

    async def write(
        self, prompt: Prompt, sampling: Sampling, *, one_line: bool = False
    ) -> WrittenText:
        await asyncio.sleep(0)
        self.prompts.append(prompt)
        self.sampled.append(sampling)
        return self._writes(prompt, len(self.prompts) - 1)


def _saying(*texts: str) -> _Model:
    return _Model(lambda _, call: WrittenText(texts[call], True))


def _agent(model: _Model, **settings: object) -> Answerer:
    return Answerer(ModelHandle(cast(RoleModel, model)), AnsweringSettings.model_validate(settings))


def _question(
    instruction: str = "How many eggs are left?", context: str | None = None, **fields: object
) -> Question:
    return Question.model_validate(
        {
            "id": question_id(instruction, context),
            "instruction": instruction,
            "context": context,
            **fields,
        }
    )


async def test_the_majority_becomes_a_candidate_with_its_share() -> None:
    model = _saying("The answer is 3.", "There are 4 left.", "So 3", "3 eggs")
    question = _question(
        source="eggs.txt#1",
        category="open_qa",
        turns=[{"role": "user", "text": "Hi"}, {"role": "assistant", "text": "Hello!"}],
    )
    (candidate,) = await _agent(model, samples=4).handle(question)
    assert isinstance(candidate, Candidate)
    assert candidate.response in ("The answer is 3.", "So 3", "3 eggs")
    assert candidate.confidence == 0.75
    assert (candidate.instruction, candidate.category) == (question.instruction, "open_qa")
    assert candidate.turns == (
        Turn(role="user", text="Hi"),
        Turn(role="assistant", text="Hello!"),
    )
    made = candidate.provenance
    assert (made.generator, made.request_id, made.segment_id) == ("answerer", question.id, "")
    assert (made.source, made.release, made.samples) == ("eggs.txt#1", "r-1", 4)
    assert candidate.id == example_id(question.id, "r-1", made.template, made.sample)


async def test_the_formats_take_turns_and_seeds_are_those_of_the_ids() -> None:
    model = _Model(lambda *_: WrittenText("7", True))
    formats = list(AnswerFormat)
    await _agent(model, samples=8, formats=formats).handle(_question(context="Ten eggs."))
    assert [prompt.task for prompt in model.prompts] == [one.task for one in formats] * 2
    assert len({one.seed for one in model.sampled}) == 8
    assert model.sampled[1].seed == sampling_seed(
        example_id(_question(context="Ten eggs.").id, "r-1", "steps.test.1", 1)
    )
    assert model.sampled[0] == dataclasses.replace(
        AnsweringSettings().sampling(), seed=model.sampled[0].seed
    )
    assert model.prompts[0].texts == {
        "instruction": "How many eggs are left?",
        "context": "Ten eggs.",
        "tag": BOTH_TAGS,
    }


async def test_a_text_is_asked_for_directly_and_agrees_by_its_words() -> None:
    model = _saying(
        "Rain falls when the air is full of water.",
        "Clouds are pretty.",
        "Rain falls when the air is too full of water.",
        "Rain falls when air is full.",
    )
    (candidate,) = await _agent(model, samples=4).handle(_question("Why does rain fall?"))
    assert isinstance(candidate, Candidate)
    assert {prompt.task for prompt in model.prompts} == {Task.FORWARD}
    assert candidate.response == "Rain falls when the air is full of water."
    assert candidate.confidence == 0.75


async def test_every_agreeing_answer_is_kept_where_the_settings_ask_for_it() -> None:
    model = _saying("3", "4", "three eggs", "so 3")
    found = await _agent(model, samples=4, keep="all").handle(_question())
    assert [one.response for one in found if isinstance(one, Candidate)] == [
        "3",
        "three eggs",
        "so 3",
    ]
    assert len({one.id for one in found}) == 3
    assert {one.confidence for one in found if isinstance(one, Candidate)} == {0.75}


async def test_too_little_agreement_is_a_rejection() -> None:
    (refused,) = await _agent(_saying("1", "2", "3", "what?"), samples=4).handle(_question())
    assert refused == Rejection(
        id=_question().id,
        stage="answerer",
        reason="no_agreement",
        detail="1 of 4 agree on '1', 1 no_final_answer",
        request_id=_question().id,
        release="r-1",
    )
    (kept,) = await _agent(_saying("1", "2", "3", "4"), samples=4, least_agreement=0.25).handle(
        _question()
    )
    assert isinstance(kept, Candidate)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (WrittenText("", True), "empty_answer"),
        (WrittenText("The answer is 3 and", False), "unfinished_answer"),
        (WrittenText("Nobody knows.", True), "no_final_answer"),
    ],
)
async def test_answers_without_a_vote_are_named(written: WrittenText, reason: str) -> None:
    (refused,) = await _agent(_Model(lambda *_: written), samples=2).handle(_question())
    assert isinstance(refused, Rejection)
    assert (refused.reason, refused.detail) == (reason, written.text)


async def test_an_unfinished_answer_counts_among_the_samples() -> None:
    model = _Model(lambda _, call: WrittenText("3", call < 2))
    (candidate,) = await _agent(model, samples=4).handle(_question())
    assert isinstance(candidate, Candidate)
    assert candidate.confidence == 0.5


async def test_a_prompt_that_is_too_long_costs_its_format_only() -> None:
    def writes(prompt: Prompt, _: int) -> WrittenText:
        if prompt.task is not Task.FORWARD:
            raise PromptTooLong("900 tokens do not fit")
        return WrittenText("3", True)

    (candidate,) = await _agent(_Model(writes), samples=2).handle(_question())
    assert isinstance(candidate, Candidate)
    (refused,) = await _agent(_Model(writes), samples=2, formats="steps").handle(_question())
    assert isinstance(refused, Rejection)
    assert (refused.reason, refused.detail) == ("prompt_too_long", "900 tokens do not fit")


async def test_one_answer_has_no_confidence() -> None:
    (candidate,) = await _agent(_saying("3"), samples=1, temperature=0).handle(_question())
    assert isinstance(candidate, Candidate)
    assert candidate.confidence is None


def test_equal_answers_need_no_votes() -> None:
    with pytest.raises(ValueError, match="samples 8 needs a temperature above 0"):
        AnsweringSettings(temperature=0)


def _scored(candidate: Candidate, score: float = 4.5) -> Scored:
    rating = Rating(
        score=score, probabilities=(0, 0, 0, 0.5, 0.5), release="r-1", template="rating.test.1"
    )
    return Scored(candidate=candidate, rating=rating)


async def test_the_curator_keeps_different_answers_to_one_question_and_no_equal_ones() -> None:
    texts = (
        "Take two from five, and three of the eggs are left. The answer is 3.",
        "The answer is 3.",
        "The answer  is 3.",
        "Five eggs were there before two broke, which leaves 3",
    )
    found = await _agent(_saying(*texts), samples=4, keep="all").handle(_question())
    curator = Curator(CuratorSettings())
    kept, reasons = [], []
    for candidate in found:
        assert isinstance(candidate, Candidate)
        for outcome in await curator.handle(_scored(candidate)):
            if isinstance(outcome, Example):
                kept.append(outcome.response)
                assert outcome.confidence == 1
            elif isinstance(outcome, Rejection):
                reasons.append((outcome.reason, outcome.request_id))
    assert kept == [texts[0], texts[1], texts[3]]
    assert reasons == [("same_response", _question().id)]
    # Another question with these words is a repetition.
    (other,) = await _agent(_saying("It is 3 now."), samples=1, temperature=0).handle(
        _question(id="another")
    )
    assert isinstance(other, Candidate)
    (refused,) = await curator.handle(_scored(other))
    assert isinstance(refused, Rejection)
    assert refused.reason == "not_novel"


async def test_a_question_may_have_the_words_that_an_invented_instruction_may_not() -> None:
    question = _question("How many graphs are in the file?")
    (candidate,) = await _agent(_saying("7"), samples=1, temperature=0).handle(question)
    assert isinstance(candidate, Candidate)
    (kept,) = await Curator(CuratorSettings()).handle(_scored(candidate))
    assert isinstance(kept, Example)
    invented = candidate.model_copy(
        update={"provenance": candidate.provenance.model_copy(update={"generator": "inventor"})}
    )
    (refused,) = await Curator(CuratorSettings()).handle(_scored(invented))
    assert isinstance(refused, Rejection)
    assert refused.reason == "instruction_keyword"
