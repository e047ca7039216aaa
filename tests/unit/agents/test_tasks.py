"""Which task a passage sets, and what of it is material and answer."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from agents.curation.settings import MIX, CuratorSettings
from agents.passages.neighbours import neighbours
from agents.tasks.choosing import WHOLE, TaskChooser, drawn
from agents.tasks.labels import choice_of
from agents.tasks.material import materials
from models.engine import Choice
from models.prompts.categories import (
    FIRST_WORDS,
    WORDS,
    category_of,
    shipped_rule,
    word_gains,
)
from models.prompts.prompt import Prompt
from models.prompts.template import Task
from schemas.categories import WITH_CONTEXT, Category
from schemas.errors import ModelError, PromptTooLong, RemoteMissing
from schemas.ids import hash_fraction
from schemas.records import Segment, Turn

PROSE = (
    "A lock raises boats from one stretch of a canal to the next. "
    "Its chamber holds the boat between two pairs of gates. "
    "It is filled through sluices in the upper gates. "
    "The largest lock of the canal holds 12 boats at once. "
    "Keepers open the lower gates when the water inside is level. "
    "Boats that wait for a lock lie along the bank above it. "
    "A flight is a row of locks, one behind the other. "
    "Boats go up a flight in a day where keepers help them."
)
LIST = "- the chamber\n- the upper gates\n- the sluices"


def segment(id: str = "s1", text: str = PROSE, **changes: Any) -> Segment:
    given = {
        "id": id,
        "document_id": "d1",
        "source": "canals.txt",
        "position": 1,
        "headings": ("Canals", "Locks"),
        "text": text,
        "language": "en",
        "neighbours": ("Towpaths", "Aqueducts", "Tunnels", "Weirs"),
    }
    return Segment.model_validate(given | changes)


class Chooses:
    """A model that gives the same probabilities, or fails."""

    release = "r1"

    def __init__(self, likes: str = "", error: Exception | None = None) -> None:
        self._likes, self._error = likes, error
        self.asked: list[Prompt] = []

    def template_id(self, task: Task) -> str:
        return f"{task}.markers.1"

    async def choose(self, prompt: Prompt, options: Sequence[str]) -> Choice:
        self.asked.append(prompt)
        if self._error:
            raise self._error
        given = [
            10.0 if option == self._likes and prompt.texts["response"] else 1.0
            for option in options
        ]
        return Choice(tuple(one / sum(given) for one in given), 0.5)


def test_each_answer_is_a_part_of_the_material() -> None:
    found = materials(segment(text=f"{PROSE}\n\n{LIST}"), 3000)
    assert set(found) == WITH_CONTEXT
    for category, material in found.items():
        assert material.context == f"{PROSE}\n\n{LIST}"
        if category is not Category.CLASSIFICATION:
            assert all(part in material.context for part in material.response.split(". "))
    assert found[Category.INFORMATION_EXTRACTION].response == LIST
    assert found[Category.SUMMARIZATION].response.startswith("A lock raises boats")
    assert found[Category.CLASSIFICATION].response == "Locks"


def test_a_sentence_that_leans_on_another_is_no_answer() -> None:
    answers = {materials(segment(f"s{n}"), 3000)[Category.CLOSED_QA].response for n in range(60)}
    assert len(answers) == 7
    assert not any(answer.startswith("It is") for answer in answers)


def test_without_a_list_a_sentence_with_a_figure_is_extracted() -> None:
    found = materials(segment(), 3000)[Category.INFORMATION_EXTRACTION].response
    assert found == "The largest lock of the canal holds 12 boats at once."
    assert Category.INFORMATION_EXTRACTION not in materials(
        segment(text=PROSE.replace("12", "many")), 3000
    )


@pytest.mark.parametrize(
    "pointer",
    [
        "For further details about the gates, see lockgate(7).",
        "See the harbour master's handbook for the times of opening.",
        "More about the sluices of the canal is described in sluice(8).",
        "The list of all locks can be found in the appendix of the guide.",
        "The tables of the tides are published at https://example.org/tides every year.",
    ],
)
def test_a_sentence_that_points_elsewhere_is_no_answer(pointer: str) -> None:
    found = [materials(segment(f"s{n}", f"{PROSE} {pointer}"), 3000) for n in range(60)]
    given = {material.response for one in found for material in one.values()}
    assert not any(pointer in response for response in given)
    assert materials(segment(text=PROSE.replace("12 boats", "boats(7)")), 3000).keys() == {
        Category.CLOSED_QA,
        Category.SUMMARIZATION,
        Category.CLASSIFICATION,
    }


def test_a_sentence_about_more_of_something_is_an_answer() -> None:
    more = "A flight may hold a barge for more than two hours in the summer."
    answers = {
        materials(segment(f"s{n}", f"{PROSE} {more}"), 3000)[Category.CLOSED_QA].response
        for n in range(90)
    }
    assert more in answers


def test_options_have_no_sentence_as_an_answer() -> None:
    options = "".join(f"--gate-{n} NUMBER\nthe gate that is meant, or none\n\n" for n in range(30))
    found = materials(segment(text=f"{PROSE}\n\n{options}"), 3000)
    assert set(found) == {Category.CLASSIFICATION}
    assert Category.INFORMATION_EXTRACTION in materials(
        segment(text=f"{PROSE}\n\n{LIST}\n\n{options}"), 3000
    )


def test_a_summary_begins_as_its_passage() -> None:
    found = materials(segment(text=f"which are locks.\n\n{PROSE}"), 3000)
    assert Category.SUMMARIZATION not in found
    assert Category.CLOSED_QA in found


@pytest.mark.parametrize("text", ["x", ">>> 1\n" * 90, "| a | b |\n" * 80, "\n" * 700, "a" * 3000])
def test_text_without_sentences_is_no_material(text: str) -> None:
    assert materials(segment(text=text), 3000) == {}


def test_material_and_answer_are_no_longer_than_a_passage() -> None:
    room = len(PROSE) + 60
    found = materials(segment(), room)
    assert Category.SUMMARIZATION not in found
    assert all(len(one.context) + len(one.response) <= room for one in found.values())
    assert materials(segment(text=PROSE * 20_000), 3000) == {}


def test_labels_are_headings_of_the_document() -> None:
    choice = choice_of(segment())
    assert choice is not None
    assert choice.label == "Locks"
    assert set(choice.labels) == {"Locks", "Towpaths", "Aqueducts", "Tunnels"}
    assert all(f'"{label}"' in choice.instruction for label in choice.labels)
    orders = {choice_of(segment(f"s{n}")).labels.index("Locks") for n in range(40)}  # type: ignore[union-attr]
    assert orders == {0, 1, 2, 3}, "the place of the answer does not tell it"


@pytest.mark.parametrize(
    "changes",
    [
        {"headings": ()},
        {"neighbours": ()},
        {"neighbours": ("LOCKS", "...", "x" * 90)},
        {"language": "de"},
    ],
)
def test_there_is_no_choice_without_two_labels(changes: dict[str, Any]) -> None:
    assert choice_of(segment(**changes)) is None


def test_neighbours_are_the_nearest_other_headings() -> None:
    names = ["a", "b", "B", "", "c", "d", "e", "f"]
    found = neighbours([("Top", name) if name else () for name in names])
    assert found[1] == ("a", "c", "d", "e", "f")
    assert found[3] == ("B", "c", "d", "a", "e")
    assert neighbours([("Top", "a"), ("Top",)]) == [(), ("a",)]
    assert neighbours([]) == []


async def test_a_replay_draws_the_same_task() -> None:
    first = [await TaskChooser(MIX, 3000).choose(Chooses(), segment(f"s{n}")) for n in range(50)]  # type: ignore[arg-type]
    again = TaskChooser(MIX, 3000)
    assert first == [await again.choose(Chooses(), segment(f"s{n}")) for n in range(50)]  # type: ignore[arg-type]


async def test_the_shares_are_those_of_the_mix_where_the_model_has_no_preference() -> None:
    chooser, model = TaskChooser(MIX, 3000), Chooses(error=ModelError("two words are alike"))
    counts: Counter[Category] = Counter()
    for number in range(1500):
        task = await chooser.choose(model, segment(f"s{number}"))  # type: ignore[arg-type]
        assert task is not None
        assert task.category is not None
        assert (task.material is not None) == (task.category in WITH_CONTEXT)
        counts[task.category] += 1
    for category, share in MIX.items():
        assert counts[category] / 1500 == pytest.approx(share, abs=0.03)


async def test_the_model_s_choice_tilts_the_draw() -> None:
    async def how_often(likes: str) -> int:
        chooser, model = TaskChooser(MIX, 3000), Chooses(likes)
        tasks = [await chooser.choose(model, segment(f"s{n}")) for n in range(300)]  # type: ignore[arg-type]
        return sum(task is not None and task.category is Category.CLOSED_QA for task in tasks)

    assert await how_often("What") > 1.5 * await how_often("Extract")


async def test_what_is_not_wanted_is_never_drawn() -> None:
    chooser = TaskChooser({Category.SUMMARIZATION: 1.0, Category.OPEN_QA: 0.0}, 3000)
    task = await chooser.choose(Chooses(), segment())  # type: ignore[arg-type]
    assert task is not None
    assert task.category is Category.SUMMARIZATION
    assert await chooser.choose(Chooses(), segment(text="x")) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"context": "given"},
        {"turns": (Turn(role="user", text="a"), Turn(role="assistant", text="b"))},
    ],
)
async def test_a_passage_with_a_context_of_its_own_is_a_response(
    changes: dict[str, Any],
) -> None:
    model = Chooses()
    assert await TaskChooser(MIX, 3000).choose(model, segment(**changes)) is WHOLE  # type: ignore[arg-type]
    assert await TaskChooser({}, 3000).choose(model, segment()) is WHOLE  # type: ignore[arg-type]
    assert not model.asked


async def test_a_model_that_cannot_choose_has_no_say() -> None:
    for error in (ModelError("two words are alike"), RemoteMissing("no probabilities")):
        shares = await TaskChooser(MIX, 3000).shares(Chooses(error=error), segment())  # type: ignore[arg-type]
        assert set(shares.values()) == {1 / 8}
    german = segment(language="de")
    material = materials(german, 3000)[Category.CLOSED_QA]
    model = Chooses()
    chooser = TaskChooser(MIX, 3000)
    assert set((await chooser.shares(model, german)).values()) == {1 / 8}  # type: ignore[arg-type]
    assert await chooser.first_word(model, german, material, 0) == ""  # type: ignore[arg-type]
    assert not model.asked
    with pytest.raises(PromptTooLong):
        await chooser.shares(Chooses(error=PromptTooLong("long")), segment())  # type: ignore[arg-type]


async def test_the_choice_after_nothing_is_made_once() -> None:
    chooser, model = TaskChooser(MIX, 3000), Chooses()
    for number in range(3):
        await chooser.shares(model, segment(f"s{number}"))  # type: ignore[arg-type]
    assert [bool(prompt.texts["response"]) for prompt in model.asked] == [True, False, True, True]


def test_a_draw_goes_by_weight() -> None:
    counts = Counter(drawn({"a": 3.0, "none": 0.0, "b": 1.0}, f"{n}") for n in range(4000))
    assert counts["none"] == 0
    assert counts["a"] / 4000 == pytest.approx(0.75, abs=0.03)
    assert drawn({"only": 1e-300}, "x") == "only"
    assert 0 <= hash_fraction("x") < 1


def test_the_rule_gives_probabilities_of_every_category() -> None:
    rule = shipped_rule()
    assert rule.words == WORDS
    assert set(rule.weights) == set(rule.bias) == set(Category)
    even = [1 / len(WORDS)] * len(WORDS)
    for given in (even, [1.0, *[0.0] * (len(WORDS) - 1)], [float("nan")] * len(WORDS)):
        shares = rule.shares(given, even)
        assert set(shares) == set(Category)
        assert sum(shares.values()) == pytest.approx(1)
        assert all(share > 0 for share in shares.values())
    assert word_gains(even, even) == [0.0] * len(WORDS)


def test_a_category_is_that_of_the_first_word() -> None:
    assert category_of("Summarize the text.", Category.SUMMARIZATION) is Category.SUMMARIZATION
    assert category_of("What is a lock?", Category.SUMMARIZATION) is Category.CLOSED_QA
    assert category_of("what's a lock?", Category.GENERAL_QA) is Category.GENERAL_QA
    assert category_of("What is a lock?", Category.GENERAL_QA) is Category.OPEN_QA
    assert category_of("Wie hebt sie ein Boot?", Category.CLOSED_QA) is Category.CLOSED_QA
    assert category_of("", Category.OPEN_QA) is Category.OPEN_QA
    assert set(FIRST_WORDS) == set(Category)


@pytest.mark.parametrize("share", [-1.0, 5e-324, 1e-7, 1e7, 1e308, math.inf, math.nan])
def test_a_share_that_nothing_can_be_drawn_by_is_no_setting(share: float) -> None:
    with pytest.raises(ValidationError, match="closed_qa"):
        CuratorSettings(mix={Category.CLOSED_QA: share})


def test_the_least_and_the_most_share_can_be_drawn_by() -> None:
    mix = CuratorSettings(mix={Category.CLOSED_QA: 0.0, Category.OPEN_QA: 1e-6}).mix
    assert drawn(mix, "a text") is Category.OPEN_QA
    assert CuratorSettings(mix={Category.CLOSED_QA: 1e6}).mix == {Category.CLOSED_QA: 1e6}
