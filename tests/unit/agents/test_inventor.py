"""The inventor, with a model that follows a script, and with the house model."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.inventing.instances import input_of, labels_of
from agents.inventing.settings import InventionSettings
from agents.inventor import Inventor
from agents.outcomes import Outcome
from models.engine import Choice
from models.prompts.prompt import Prompt
from models.prompts.tasks.invention import NO_INPUT, SHOWN_INPUTS
from models.prompts.template import BOTH_TAGS, Family, Task
from models.prompts.templates import BUILT_IN
from models.sampling import Sampling
from models.serving.model_handle import ModelHandle
from models.serving.served_model import ServedModel
from models.serving.written import WrittenText
from schemas.errors import ModelError, PromptTooLong
from schemas.ids import bootstrap_id, example_id, sampling_seed
from schemas.records import Bootstrap, Candidate, Exemplar, Rejection

_SHOWN = (
    "Name three rivers in Africa.",
    "Why is the sky blue?",
    "Write a limerick about\n a cat.",
)


def _request(number: int = 0) -> Bootstrap:
    exemplars = tuple(
        Exemplar(id=f"e{index}", instruction=text, response="A response.")
        for index, text in enumerate(_SHOWN)
    )
    return Bootstrap(
        id=bootstrap_id([one.id for one in exemplars], number), exemplars=exemplars, source="test"
    )


class _Scripted:
    """A model that writes what a script says for each task, and records what it is asked."""

    release = "r-1"

    def __init__(
        self, script: dict[Task, Any], yes: float = 0.0, mass: float = 1.0, alone: float = 0.5
    ) -> None:
        self._script = script
        self._yes, self._mass, self._alone = yes, mass, alone
        self.asked: list[tuple[Prompt, Sampling]] = []

    def template_id(self, task: Task) -> str:
        return BUILT_IN.of(task, Family.CHAT).id

    async def write(
        self, prompt: Prompt, sampling: Sampling, *, one_line: bool = False
    ) -> WrittenText:
        self.asked.append((prompt, sampling))
        found = self._script[prompt.task]
        if callable(found):
            found = found(prompt)
        elif isinstance(found, list):
            found = found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found if isinstance(found, WrittenText) else WrittenText(found, True)

    async def choose(self, prompt: Prompt, options: Sequence[str]) -> Choice:
        assert list(options) == [" yes", " no"]
        yes = self._yes if prompt.texts["instruction"] else self._alone
        return Choice((yes, 1 - yes), self._mass)


async def _outcomes(model: Any, **settings: Any) -> list[Candidate | Rejection]:
    return await Inventor(ModelHandle(model), InventionSettings(**settings)).handle(_request())


def _reasons(outcomes: Sequence[Outcome]) -> list[str]:
    return [one.reason if isinstance(one, Rejection) else "" for one in outcomes]


def _generating(
    inputs: Any = NO_INPUT, answers: Any = "An answer.", instruction: Any = "Describe a lock."
) -> dict[Task, Any]:
    return {Task.INVENTION: instruction, Task.INPUT: inputs, Task.FORWARD: answers}


async def test_an_instruction_without_an_input_is_answered_once() -> None:
    model = _Scripted(_generating())
    (made,) = await _outcomes(model)
    templates = "invention.chat.1 kind.chat.1 input.chat.1 forward.chat.1"
    assert isinstance(made, Candidate)
    assert made.id == example_id(_request().id, "r-1", templates, 0)
    assert (made.instruction, made.context, made.response) == (
        "Describe a lock.",
        None,
        "An answer.",
    )
    assert made.category is None
    provenance = made.provenance
    assert (provenance.generator, provenance.request_id) == ("inventor", _request().id)
    assert provenance.exemplars == ("e0", "e1", "e2")
    assert (provenance.release, provenance.template) == ("r-1", templates)
    assert (provenance.source, provenance.segment_id, provenance.sample) == ("test", "", 0)
    invention, _, answer = model.asked
    assert invention[0].texts["tasks"] == (
        "1. Name three rivers in Africa.\n2. Why is the sky blue?\n3. Write a limerick about a cat."
    )
    assert invention[0].texts["number"] == "4"
    seed = sampling_seed(example_id(_request().id, "r-1", "invention.chat.1", 0))
    assert (invention[1].seed, invention[1].temperature, invention[1].top_p) == (seed, 0.7, 0.5)
    assert answer[0].texts == {
        "instruction": "Describe a lock.",
        "context": "",
        "tag": BOTH_TAGS,
    }
    assert answer[1].temperature == 0


async def test_inputs_come_before_their_answers_and_each_has_a_seed_of_its_own() -> None:
    inputs = ["one text", "two texts", "three texts"]
    answer: Callable[[Prompt], str] = lambda at: f"About {at.texts['context']}."  # noqa: E731
    model = _Scripted(_generating([*inputs], answer))
    made = await _outcomes(model, instances=3)
    assert [(one.context, one.response) for one in made if isinstance(one, Candidate)] == [
        ("one text", "About one text."),
        ("two texts", "About two texts."),
        ("three texts", "About three texts."),
    ]
    assert len({one.id for one in made}) == 3
    seeds = [sampling.seed for prompt, sampling in model.asked if prompt.task is Task.INPUT]
    assert seeds == [sampling_seed(one.id) for one in made]
    assert made == await _outcomes(_Scripted(_generating([*inputs], answer)), instances=3)


async def test_a_classification_has_its_labels_first() -> None:
    inputs: Callable[[Prompt], str] = lambda at: f"A text that is {at.texts['label']}."  # noqa: E731
    model = _Scripted(
        {
            Task.INVENTION: "Is the text glad or sad?",
            Task.LABELS: "glad, sad, Glad",
            Task.LABELLED_INPUT: inputs,
        },
        yes=0.6,
    )
    made = await _outcomes(model)
    assert [(one.context, one.response) for one in made if isinstance(one, Candidate)] == [
        ("A text that is glad.", "glad"),
        ("A text that is sad.", "sad"),
    ]
    templates = "invention.chat.1 kind.chat.1 labels.chat.1 labelled_input.chat.1"
    for sample, one in enumerate(made):
        assert isinstance(one, Candidate)
        assert one.category == "classification"
        assert one.provenance.template == templates
        assert one.id == example_id(_request().id, "r-1", templates, sample)
    order = [prompt.task for prompt, _ in model.asked]
    assert order == [Task.INVENTION, Task.LABELS, Task.LABELLED_INPUT, Task.LABELLED_INPUT]


@pytest.mark.parametrize(
    ("yes", "alone", "mass", "classified"),
    [
        (0.6, 0.5, 1.0, True),
        (0.6, 0.7, 1.0, False),  # it says yes to everything
        (0.4, 0.3, 1.0, True),
        (0.0, 0.0, 1.0, False),
        (0.9, 0.5, 0.01, False),  # it says neither
    ],
)
async def test_the_kind_is_what_the_model_says_beyond_its_habit(
    yes: float, alone: float, mass: float, classified: bool
) -> None:
    script = {**_generating(), Task.LABELS: "a, b", Task.LABELLED_INPUT: ["one", "two"]}
    made = await _outcomes(_Scripted(script, yes, mass, alone))
    assert [one.category for one in made if isinstance(one, Candidate)] == (
        ["classification"] * 2 if classified else [None]
    )


async def test_a_model_that_says_neither_yes_nor_no_has_a_task_that_is_no_classification() -> None:
    class Silent(_Scripted):
        async def choose(self, prompt: Prompt, options: Sequence[str]) -> Choice:
            raise ModelError("it chose none")

    assert _reasons(await _outcomes(Silent(_generating()))) == [""]


@pytest.mark.parametrize(
    ("script", "reasons"),
    [
        ({Task.INVENTION: ""}, ["empty_instruction"]),
        ({Task.INVENTION: "4. "}, ["empty_instruction"]),
        ({Task.INVENTION: WrittenText("Why oh why", False)}, ["unfinished_instruction"]),
        ({Task.INVENTION: "Name three rivers in Asia."}, ["copied_exemplar"]),
        (_generating(WrittenText("a b", False)), ["unfinished_input"] * 2),
        (_generating(["one", " One", "two"]), ["", "repeated_input", ""]),
        (_generating(["one", NO_INPUT, NO_INPUT]), ["", "", "repeated_input"]),
        (_generating([f"Well: {sorted(SHOWN_INPUTS)[0]}", "two"]), ["copied_input", ""]),
        (_generating(answers=""), ["empty_output"]),
        (_generating(answers=WrittenText("an", False)), ["unfinished_output"]),
        (_generating(["A text.", "two"], "a  TEXT."), ["output_is_input", ""]),
        (_generating(instruction=PromptTooLong("200 tokens")), ["prompt_too_long"]),
        (_generating(answers=PromptTooLong("200 tokens")), ["prompt_too_long"]),
    ],
)
async def test_each_filter_is_a_rejection_with_a_name(
    script: dict[Task, Any], reasons: list[str]
) -> None:
    outcomes = await _outcomes(_Scripted(script), instances=len(reasons))
    assert _reasons(outcomes) == reasons
    for one in outcomes:
        if isinstance(one, Rejection):
            assert (one.stage, one.request_id, one.release) == ("inventor", _request().id, "r-1")
    assert len({one.id for one in outcomes}) == len(outcomes)


@pytest.mark.parametrize(
    ("labels", "inputs", "reasons"),
    [
        ("glad", [], ["no_labels"]),
        ("", [], ["no_labels"]),
        (WrittenText("glad, sad", False), [], ["unfinished_labels"]),
        ("glad, sad", ["The same.", "the  same."], ["contradictory_output"] * 2),
        ("glad, sad", [NO_INPUT, NO_INPUT], ["contradictory_output"] * 2),
        ("glad, sad", [NO_INPUT, "A text."], ["", ""]),
        ("glad, sad", ["Glad", "A text."], ["output_is_input", ""]),
        ("glad, sad", [WrittenText("A", False), "A text."], ["unfinished_input", ""]),
        ("1, 2, 3, 4, 5, 6", list("abcdef"), [""] * 5),
    ],
)
async def test_each_filter_of_classifications_too(
    labels: str, inputs: list[str], reasons: list[str]
) -> None:
    script = {
        Task.INVENTION: "Is the text glad or sad?",
        Task.LABELS: labels,
        Task.LABELLED_INPUT: list(inputs),
    }
    assert _reasons(await _outcomes(_Scripted(script, yes=0.9))) == reasons


@pytest.mark.parametrize("written", ["none", "None.", "N/A", " no input ", "", '"none"'])
def test_an_input_that_is_none(written: str) -> None:
    assert input_of(written) is None
    assert input_of(f"{written} of these") == f"{written} of these".strip()


def test_labels_are_parted_and_stripped() -> None:
    assert labels_of("yes, no; 'maybe' | Yes / (none) or true and FALSE,,") == [
        *("yes", "no", "maybe", "none", "true", "FALSE")
    ]
    assert labels_of("x" * 61 + ", short") == ["short"]
    assert labels_of("positiv, negativ, не знаю, 分からない") == [
        *("positiv", "negativ", "не знаю", "分からない")
    ]


async def test_the_house_model_invents_the_same_again_and_classifies_nothing(house: Path) -> None:
    model = await ServedModel.load(house, device="cpu", threads=1)
    try:
        inventor = Inventor(ModelHandle(model), InventionSettings(max_tokens=24))
        requests = [_request(number) for number in range(4)]
        made = [await inventor.handle(one) for one in requests]
        again = [await inventor.handle(one) for one in requests]
    finally:
        model.close()
    assert made == again
    every = [one for outcomes in made for one in outcomes]
    assert len({one.id for one in every}) == len(every) == 4
    assert len({str(one) for one in every}) == 4
    for one in every:
        if isinstance(one, Candidate):
            assert one.category is one.context is None
            assert one.provenance.template.startswith("invention.markers.1 ")
