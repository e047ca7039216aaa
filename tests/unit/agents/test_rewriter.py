"""The rewriter: what it rewrites, what it refuses, and why."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from agents.outcomes import Retraction
from agents.rewriter import Rewriter
from agents.rewriting.settings import RewritingSettings
from models.prompts.prompt import Prompt
from models.prompts.template import Task
from models.sampling import Sampling
from models.serving.model_handle import ModelHandle
from models.serving.written import WrittenText
from schemas.errors import EngineError, PromptTooLong
from schemas.ids import example_id, sampling_seed
from schemas.records import (
    Alternative,
    Candidate,
    Example,
    ExampleOrigin,
    Original,
    Provenance,
    Rating,
    Rejection,
    Turn,
)

_ASKED = "How high does a canal lock raise a ship?"
_PASSAGE = (
    "Each of the locks of the Panama Canal raises a ship by 9 metres. Water from Lake Gatun fills "
    "the chamber, and no pump is needed for that."
)
_ANSWER = "A lock raises a ship by 9 metres, with water from Lake Gatun."
_RATING = Rating(score=4.2, probabilities=(0, 0, 0, 1, 0), release="r1", template="t", term=3)
_EXAMPLE = Example(
    id="e1",
    instruction=_ASKED,
    context="A canal.",
    response=_PASSAGE,
    origin=ExampleOrigin.AUGMENTED,
    rating=_RATING,
    provenance=Provenance(
        source="notes",
        document_id="d1",
        segment_id="s1",
        headings=("Canals", "Panama"),
        language="en",
        release="r0",
        template="backward.chat.2",
    ),
    turns=(Turn(role="user", text="Hello."), Turn(role="assistant", text="Hello.")),
    category="closed_qa",
)


@dataclass
class Model:
    """A model that writes one text, with likelihoods that were set."""

    text: str = _ANSWER
    finished: bool = True
    given: float | None = -1.0
    alone: float | None = -2.0
    error: Exception | None = None
    release: str = "r1"
    asked: list[tuple[Prompt, Any]] = field(default_factory=list)

    def template_id(self, task: Task) -> str:
        return f"{task}.test.1"

    async def write(
        self, prompt: Prompt, sampling: Sampling, *, one_line: bool = False
    ) -> WrittenText:
        if self.error:
            raise self.error
        self.asked.append((prompt, sampling))
        return WrittenText(self.text, self.finished)

    async def likelihood(self, prompt: Prompt, text: str) -> float | None:
        return self.given if prompt.texts["response"] else self.alone

    async def probe(self) -> None:
        raise EngineError("it does not run")


def ask(
    model: Model, record: Example | Retraction = _EXAMPLE, **options: Any
) -> list[Candidate | Rejection]:
    rewriter = Rewriter(ModelHandle(model), RewritingSettings(**options))  # type: ignore[arg-type]
    return asyncio.run(rewriter.handle(record))


def reason(outcomes: list[Candidate | Rejection]) -> str:
    [rejection] = outcomes
    assert isinstance(rejection, Rejection)
    assert (rejection.id, rejection.stage) == ("e1", "rewriter")
    assert (rejection.document_id, rejection.segment_id) == ("d1", "s1")
    return rejection.reason


def test_the_candidate_has_the_rewritten_response_and_both_in_its_provenance() -> None:
    [candidate] = ask(Model())
    id = example_id("e1", "r1", "rewriting.test.1", 0)
    assert candidate == Candidate(
        id=id,
        instruction=_ASKED,
        context="A canal.",
        response=_ANSWER,
        provenance=_EXAMPLE.provenance.model_copy(
            update={
                "generator": "rewriter",
                "release": "r1",
                "template": "rewriting.test.1",
                "original": Original(
                    id="e1",
                    response=_PASSAGE,
                    rating=_RATING,
                    generator="backward",
                    release="r0",
                    template="backward.chat.2",
                ),
            }
        ),
        turns=_EXAMPLE.turns,
        category="closed_qa",
    )


def test_the_prompt_has_the_passage_and_is_sampled_by_the_id() -> None:
    model = Model()
    [candidate] = ask(model, temperature=0.7)
    [(prompt, sampling)] = model.asked
    assert prompt.task is Task.REWRITING
    assert prompt.texts["response"] == _PASSAGE
    assert "Panama" in prompt.texts["heading"]
    assert prompt.turns == _EXAMPLE.turns
    assert sampling.seed == sampling_seed(candidate.id)
    assert sampling.temperature == 0.7
    again = Model()
    assert ask(again, temperature=0.7) == [candidate]
    assert again.asked == model.asked, "a replay asks the same"


def test_another_release_makes_another_id() -> None:
    [one], [other] = ask(Model()), ask(Model(release="r2"))
    assert one.id != other.id


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (Model(text=""), "empty_response"),
        (Model(finished=False), "unfinished_response"),
        (Model(text=_PASSAGE.replace(" ", "\n")), "unchanged"),
        (Model(text=f"{_ASKED} {_ANSWER}"), "response_echoes_instruction"),
        (Model(text="A canal lock raises a ship."), "nothing_new"),
        (Model(text="A lock raises a ship by 26 metres."), "number_not_in_passage"),
        (Model(text="A lock of the Suez Canal raises a ship."), "name_not_in_passage"),
        (Model(text="Photosynthesis turns sunlight into sugar."), "words_not_in_passage"),
        (Model(given=-2.0), "not_from_passage"),
        (Model(error=PromptTooLong("too long")), "prompt_too_long"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(model: Model, expected: str) -> None:
    outcomes = ask(model)
    assert reason(outcomes) == expected
    [rejection] = outcomes
    assert isinstance(rejection, Rejection)
    assert rejection.release == "r1"
    assert rejection.detail


def test_names_and_numbers_may_come_from_the_headings_and_the_context() -> None:
    example = _EXAMPLE.model_copy(update={"context": "Locks of 1914 at Colon."})
    text = "A lock raises a ship by 9 metres, in Colon, since 1914, in Panama."
    assert isinstance(ask(Model(text=text), example, coverage=0.5)[0], Candidate)


def test_a_model_without_likelihoods_refuses_nothing_by_them() -> None:
    assert isinstance(ask(Model(given=None, alone=None))[0], Candidate)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"origin": ExampleOrigin.SEED, "rating": None}, "human"),
        ({"provenance": _EXAMPLE.provenance.model_copy(update={"segment_id": ""})}, "no_passage"),
    ],
)
def test_what_is_not_rewritten_is_refused_by_name_without_asking_the_model(
    changes: dict[str, Any], expected: str
) -> None:
    model = Model()
    [rejection] = ask(model, _EXAMPLE.model_copy(update=changes))
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, model.asked) == (expected, [])


def test_its_own_outputs_are_not_rewritten_again() -> None:
    [candidate] = ask(Model())
    assert isinstance(candidate, Candidate)
    own = _EXAMPLE.model_copy(
        update={
            "id": candidate.id,
            "response": candidate.response,
            "provenance": candidate.provenance,
        }
    )
    model = Model()
    [rejection] = ask(model, own)
    assert isinstance(rejection, Rejection)
    assert (rejection.id, rejection.reason, model.asked) == (candidate.id, "rewritten", [])


def test_an_example_that_was_rewritten_leads_to_nothing() -> None:
    [candidate] = ask(Model())
    assert isinstance(candidate, Candidate)

    def with_alternative(provenance: Provenance) -> Example:
        other = Alternative(
            id="x", instruction=_ASKED, response="So.", rating=_RATING, provenance=provenance
        )
        return _EXAMPLE.model_copy(update={"alternatives": (other,)})

    model = Model()
    assert ask(model, with_alternative(candidate.provenance)) == []
    assert model.asked == []
    assert candidate.provenance.original is not None
    another = candidate.provenance.original.model_copy(update={"id": "e2"})
    of_another = candidate.provenance.model_copy(update={"original": another})
    assert len(ask(model, with_alternative(of_another))) == 1, "that of another sample is none"


def test_a_retraction_leads_to_nothing() -> None:
    assert ask(Model(), Retraction("e1")) == []


def test_a_probe_asks_the_model() -> None:
    rewriter = Rewriter(ModelHandle(Model()))  # type: ignore[arg-type]
    with pytest.raises(EngineError):
        asyncio.run(rewriter.probe())
