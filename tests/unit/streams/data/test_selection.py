"""Which examples an export has: filters, a limit by hash, a split that keeps what is related."""

from typing import Any

import pytest

from schemas.records import Example, ExampleOrigin, Provenance, Rating, Ruling
from schemas.turns import Turn
from streams.data.selection import Selection, Split, traits_of

SEED = Example(id="s", instruction="Say it.", response="It.", origin=ExampleOrigin.SEED)


def made(id: str, score: float = 4.5, **provenance: Any) -> Example:
    rating = Rating(score=score, probabilities=(0, 0, 0, 1, 0), release="r", template="t")
    return Example(
        id=id,
        instruction="Why?",
        response="So.",
        origin=ExampleOrigin.AUGMENTED,
        rating=rating,
        provenance=Provenance(**provenance),
    )


def chosen(examples: list[Example], **filters: Any) -> list[str]:
    return [example.id for example in Selection(**filters).of(examples, traits_of)]


def test_without_filters_everything_is_chosen() -> None:
    assert chosen([SEED, made("a")]) == ["s", "a"]
    assert Selection().described() == []


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"min_score": 4.5}, ["s", "b"]),
        ({"origins": ("seed",)}, ["s"]),
        ({"sources": ("docs/*.md",)}, ["a"]),
        ({"sources": ("docs/*.md", "other/*")}, ["a", "b"]),
        ({"sources": ("docs/*",), "min_score": 4.5}, []),
        ({"categories": ("summarization",)}, ["b"]),
        ({"languages": ("fr", "de")}, ["a"]),
    ],
)
def test_each_filter(filters: dict[str, Any], expected: list[str]) -> None:
    low = made("a", 4.2, source="docs/x.md", language="de")
    high = made("b", 4.5, source="other/y", language="en")
    high = high.model_copy(update={"category": "summarization"})
    assert chosen([SEED, low, high], **filters) == expected
    assert len(Selection(**filters).described()) == len(filters)


def test_a_decision_to_keep_outranks_the_lowest_rating() -> None:
    kept = made("a", 2.0).model_copy(update={"ruling": Ruling(action="accept", by="ada")})
    assert chosen([kept, made("b", 2.0)], min_score=4) == ["a"]


def test_a_limit_is_drawn_by_hash_and_keeps_the_order() -> None:
    examples = [made(str(number)) for number in range(100)]
    ten = chosen(examples, limit=10)
    assert len(ten) == 10
    assert ten == sorted(ten, key=int)
    assert ten == [id for id in chosen(examples, limit=20) if id in ten], "a larger limit adds"
    assert chosen(list(reversed(examples)), limit=10) == list(reversed(ten))
    assert chosen(examples, limit=10, seed=1) != ten
    assert len(chosen(examples, limit=1000)) == 100


def test_a_split_keeps_a_document_together_and_does_not_change_as_the_set_grows() -> None:
    examples = [made(str(number), document_id=f"d{number // 5}") for number in range(1000)]
    split = Split(0.8)
    parts = split.parts(examples, traits_of)
    assert parts.left_out == 0
    train = {example.provenance.document_id for example in parts.train}
    test = {example.provenance.document_id for example in parts.test}
    assert train.isdisjoint(test)
    assert 0.7 < len(train) / 200 < 0.9
    early = split.parts(examples[:300], traits_of)
    assert [e.id for e in early.test] == [e.id for e in parts.test if int(e.id) < 300]
    other = Split(0.8, seed=1).parts(examples, traits_of)
    assert [e.id for e in other.test] != [e.id for e in parts.test]


def test_conversations_and_requests_stay_together() -> None:
    turns = (Turn(role="user", text="Hello."), Turn(role="assistant", text="Hi."))
    for number in range(20):
        one = SEED.model_copy(update={"provenance": Provenance(conversation=f"c{number}")})
        other = one.model_copy(update={"id": "t", "turns": turns})
        asked = [made(id, request_id=f"q{number}") for id in ("a", "b")]
        for pair in ([one, other], asked):
            sides = {Split(0.5).side(traits_of(example)) for example in pair}
            assert len(sides) == 1


def test_a_passage_of_two_documents_is_on_one_side_only() -> None:
    split = Split(0.5)
    by_side: dict[str, Example] = {}
    for number in range(50):
        example = made(str(number), document_id=f"d{number}", segment_id="same")
        by_side.setdefault(split.side(traits_of(example)), example)
    parts = split.parts(list(by_side.values()), traits_of)
    assert (parts.train, parts.test, parts.left_out) == ([], [by_side["test"]], 1)
