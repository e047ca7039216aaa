"""Curation of instructions in the middle of conversations."""

from typing import Any

import pytest

from agents.curation.example_rules import ExampleRules
from agents.curation.kept_instructions import KeptInstructions
from agents.curation.settings import CuratorSettings
from agents.curator import Curator
from schemas.records import Candidate, Example, Provenance, Rating, Rejection, Scored
from schemas.turns import History, Turn


def _turns(*texts: str) -> History:
    roles = ("user", "assistant") * len(texts)
    return tuple(Turn(role=role, text=text) for role, text in zip(roles, texts, strict=False))  # type: ignore[arg-type]


_BRIDGES = _turns("Which bridges cross the river?", "There are two, one of them of iron.")
_BARNS = _turns("Which barns are the oldest ones?", "Those of the abbey, which are two.")
_RATING = Rating(score=5, probabilities=(0, 0, 0, 0, 1), release="r", template="t")


def _candidate(**changes: Any) -> Candidate:
    fields: dict[str, Any] = {
        "id": "a",
        "instruction": "And the second one?",
        "response": "It was built later, of stone, by the son of the first builder.",
        "turns": _BRIDGES,
        "provenance": Provenance(segment_id="s", samples=1),
    }
    return Candidate(**{**fields, **changes})


def _reasons(candidate: Candidate, **settings: Any) -> list[str]:
    rules = ExampleRules(CuratorSettings.model_validate(settings))
    return [refusal.reason for refusal in rules.refusals(candidate)]


async def _decide(curator: Curator, candidate: Candidate) -> str:
    (outcome,) = await curator.handle(Scored(candidate=candidate, rating=_RATING))
    assert isinstance(outcome, Example | Rejection)
    return outcome.reason if isinstance(outcome, Rejection) else "kept"


async def test_the_same_words_are_new_in_another_conversation_and_not_in_the_same_one() -> None:
    curator = Curator()
    other = "Two arches of wood, which burned down and were never built again by anyone."
    assert await _decide(curator, _candidate()) == "kept"
    again = _candidate(id="b", response=other)
    assert await _decide(curator, again) == "not_novel"
    spelt = _turns("which BRIDGES cross the river", _BRIDGES[1].text)
    assert await _decide(curator, _candidate(id="c", response=other, turns=spelt)) == "not_novel"
    assert await _decide(curator, _candidate(id="d", response=other, turns=_BARNS)) == "kept"


async def test_a_kept_follow_up_is_restored_and_keeps_its_turns() -> None:
    first = Curator()
    (example,) = await first.handle(Scored(candidate=_candidate(), rating=_RATING))
    assert isinstance(example, Example)
    assert example.turns == _BRIDGES
    second = Curator()
    second.restore(example.id, example)
    other = "Two arches of wood, which burned down and were never built again by anyone."
    assert await _decide(second, _candidate(id="b", response=other)) == "not_novel"
    second.restore(example.id, None)
    assert await _decide(second, _candidate(id="c", response=other)) == "kept"


def test_one_word_is_enough_after_other_turns() -> None:
    assert _reasons(_candidate(instruction="Why?")) == []
    assert _reasons(_candidate(instruction="Why?"), min_words=4) == []
    assert _reasons(_candidate(instruction="Why?", turns=())) == ["instruction_too_short"]


def test_what_the_user_said_before_is_no_new_instruction() -> None:
    asked = "Which bridges do cross the river?"
    assert _reasons(_candidate(instruction=asked)) == ["repeats_turn"]
    assert _reasons(_candidate(instruction=asked, turns=_BARNS)) == []
    assert _reasons(_candidate(instruction=_BRIDGES[1].text)) == [], "the assistant said that"


@pytest.mark.parametrize("side", [0, 1])
def test_the_rules_on_texts_look_at_the_turns(side: int) -> None:
    texts = ["Where can I write to you?", "To the address below."]
    texts[side] += " Ask jane.doe@acme-corp.com now."
    candidate = _candidate(turns=_turns(*texts))
    assert _reasons(candidate, personal_data="refuse") == ["personal_data"]
    rules = ExampleRules(CuratorSettings(personal_data="mask"))
    hidden = rules.masked(candidate)
    assert "jane.doe" not in hidden.turns[side].text
    assert hidden.turns[1 - side] == candidate.turns[1 - side]
    assert hidden.response == candidate.response


def test_indexes_of_conversations_go_with_their_last_example() -> None:
    kept = KeptInstructions(0.7)
    kept.add("a", "And the second one?", _BRIDGES)
    kept.add("b", "And the second one?", _BARNS)
    assert len(kept._after) == 3
    kept.add("b", "And the second one?")  # the same example, now without turns
    near = kept.nearest("And the second one")
    assert near is not None
    assert near.id == "b"
    assert kept.nearest("And the second one", _BARNS) is None
    for id in ("a", "b", "never there"):
        kept.remove(id)
    assert list(kept._after) == [b""]
    assert kept.nearest("And the second one?", _BRIDGES) is None
