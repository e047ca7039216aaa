"""How long what a person writes may be."""

import pytest
from pydantic import ValidationError

from schemas.records import Candidate, Decision, Example, ExampleOrigin, Provenance
from schemas.ruling import MOST_BYTES, Ruling, Texts
from schemas.wire import MAX_BYTES, encode

_PAIR = Candidate(id="e1", instruction="Why?", response="So.", provenance=Provenance())


def ruling(response: str, note: str = "") -> Ruling:
    return Ruling(
        action="edit", note=note, texts=Texts(instruction="Why?", context="", response=response)
    )


@pytest.mark.parametrize("character", ["x", "é", "🎻"])
def test_the_example_of_the_longest_decision_leaves_room_for_other_samples(character: str) -> None:
    room = MOST_BYTES - len("Why?")
    longest = ruling(character * (room // len(character.encode())))
    decided = Decision(candidate=_PAIR, ruling=longest)
    pair = decided.candidate.ruled(longest)
    example = Example(
        id=pair.id,
        instruction=pair.instruction,
        response=pair.response,
        origin=ExampleOrigin.AUGMENTED,
        ruling=longest,
    )
    assert len(encode(example)) <= MAX_BYTES - MAX_BYTES // 8


def test_a_longer_one_is_no_decision() -> None:
    for longer in (ruling("x" * MOST_BYTES), ruling("x" * (MOST_BYTES - 5), note="why?")):
        with pytest.raises(ValidationError, match="together may have 1,572,864"):
            Decision(candidate=_PAIR, ruling=longer)
