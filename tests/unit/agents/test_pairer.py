"""Preference pairs of an example and the samples that lost to it."""

import asyncio
from collections.abc import Sequence

import pytest

from agents.outcomes import Retraction
from agents.pairer import Pairer
from agents.pairing.settings import PreferenceSettings
from schemas.records import (
    Alternative,
    Example,
    ExampleOrigin,
    Preference,
    Provenance,
    Rating,
    Rejection,
    Turn,
)

_ASKED, _PASSAGE = "How does a lock work?", "A lock raises and lowers ships."
_MADE = Provenance(segment_id="s", document_id="d", headings=("Canals", "Locks"))


def rating(score: float, term: int = 1, release: str = "r") -> Rating:
    return Rating(
        score=score, probabilities=(0, 0, 0, 1, 0), release=release, template="t", term=term
    )


def sample(
    id: str, score: float, instruction: str = _ASKED, response: str | None = None, term: int = 1
) -> Alternative:
    return Alternative(
        id=id, instruction=instruction, response=response, rating=rating(score, term)
    )


def example(*others: Alternative, score: float = 4.8, origin: str = "augmented") -> Example:
    return Example(
        id="e",
        instruction=_ASKED,
        context="Given.",
        response=_PASSAGE,
        origin=ExampleOrigin(origin),
        rating=rating(score) if origin == "augmented" else None,
        provenance=_MADE,
        turns=(Turn(role="user", text="Hello."), Turn(role="assistant", text="Hello.")),
        alternatives=others,
    )


def ask(
    record: Example | Retraction, margin: float = 0.5
) -> Sequence[Preference | Rejection | Retraction]:
    return asyncio.run(Pairer(PreferenceSettings(margin=margin)).handle(record))


def test_two_responses_to_an_instruction_are_a_pair_of_the_forward_task() -> None:
    worse = "Ships go up and down in it."
    made = example(sample("r", 3.8, response=worse), sample("q", 4.0, response="Another one."))
    pair, retraction = ask(made)
    assert isinstance(pair, Preference)
    assert (pair.id, pair.example_id, pair.task) == ("e.forward", "e", "forward")
    assert (pair.prompt, pair.context, pair.turns) == (_ASKED, "Given.", made.turns)
    assert pair.headings == (), "they stand above the passage"
    assert (pair.chosen.id, pair.chosen.text, pair.rejected.id, pair.rejected.text) == (
        "e",
        _PASSAGE,
        "r",
        worse,
    )
    assert pair.chosen.provenance == _MADE
    assert pair.chosen.rating == made.rating
    assert pair.margin == pytest.approx(1.0)
    assert retraction == Retraction("e.backward", Preference)


def test_two_instructions_for_a_passage_are_a_pair_of_the_backward_task() -> None:
    pair, retraction = ask(example(sample("r", 3.0, "What are locks?")))
    assert isinstance(pair, Preference)
    assert (pair.id, pair.task, pair.prompt) == ("e.backward", "backward", _PASSAGE)
    assert pair.headings == ("Canals", "Locks")
    assert (pair.chosen.text, pair.rejected.text) == (_ASKED, "What are locks?")
    assert retraction == Retraction("e.forward", Preference)


def test_an_example_may_have_a_pair_of_each_task() -> None:
    pairs = ask(example(sample("r", 3.0, "What are locks?"), sample("q", 3.5, response="No.")))
    assert [one.id for one in pairs] == ["e.forward", "e.backward"]


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ((), "no_other_sample"),
        ((sample("r", 3.0, "What are locks?", term=0),), "rated_apart"),
        ((sample("r", 3.0, "What are locks?", response="Other."),), "other_prompt"),
        ((sample("r", 3.0),), "other_prompt"),
        ((sample("r", 4.4, "What are locks?"),), "small_margin"),
        ((sample("r", 4.9, "What are locks?"),), "small_margin"),
    ],
)
def test_an_example_without_a_pair_says_why(others: Sequence[Alternative], reason: str) -> None:
    rejection, *retractions = ask(example(*others))
    assert isinstance(rejection, Rejection)
    assert (rejection.id, rejection.stage, rejection.reason) == ("e", "pairer", reason)
    assert (rejection.document_id, rejection.segment_id) == ("d", "s")
    assert retractions == [
        Retraction("e.forward", Preference),
        Retraction("e.backward", Preference),
    ]


def test_an_equal_score_is_no_preference_whatever_the_margin() -> None:
    rejection, *_ = ask(example(sample("r", 4.8, "What are locks?")), margin=0)
    assert isinstance(rejection, Rejection)


def test_a_human_seed_has_no_pair() -> None:
    rejection, *_ = ask(example(sample("r", 3.0, "What are locks?"), origin="seed"))
    assert isinstance(rejection, Rejection)
    assert rejection.reason == "rated_apart"


def test_the_pairs_of_a_retracted_example_are_retracted() -> None:
    assert ask(Retraction("e")) == [
        Retraction("e.forward", Preference),
        Retraction("e.backward", Preference),
    ]


def test_an_example_with_the_longest_id_has_a_pair() -> None:
    """A record of another producer may have any id that the schema allows."""
    long = example(sample("worse", 2.0, "What is a lock?")).model_copy(update={"id": "i" * 256})
    pair, retracted = ask(long)
    assert isinstance(pair, Preference)
    assert pair.id == f"{long.id}.backward"
    assert isinstance(retracted, Retraction)
