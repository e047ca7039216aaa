"""What may not be trained on, where pairs are exchanges of conversations."""

from models.evaluation.human_ratings import rated_pairs
from models.seeds.formats import make_seed
from models.seeds.pairs import Pair
from models.training.data import divide
from models.training.leaks import LeakCheck
from schemas.ids import conversation_id
from schemas.records import Example, ExampleOrigin, HumanRating
from schemas.turns import History, Turn


def _turns(*texts: str) -> History:
    roles = ("user", "assistant") * len(texts)
    return tuple(Turn(role=role, text=text) for role, text in zip(roles, texts, strict=False))  # type: ignore[arg-type]


_HELD_OUT = Pair(
    "And what about the second one, please?",
    "It is made of stone.",
    turns=_turns("What are the oldest barns of the county made of?", "The first of wood."),
)


def test_every_turn_of_a_held_out_conversation_is_secret() -> None:
    check = LeakCheck([_HELD_OUT])
    opening, first = (turn.text for turn in _HELD_OUT.turns)
    assert check.leaks(Pair(opening, "Another answer."))
    assert check.leaks(Pair("Anything at all.", f" {first.upper()} "))
    assert check.leaks(Pair("Something else?", "b", turns=_turns(opening, "a")))
    assert check.leaks(Pair("Something else?", "b", turns=_turns("Other?", first)))
    assert check.leaks(Pair(_HELD_OUT.instruction, "As a first message, it is the same one."))


def test_the_same_words_in_the_middle_of_another_conversation_leak_nothing() -> None:
    check = LeakCheck([_HELD_OUT])
    other = _turns("Which bridges cross the river?", "There are two.")
    assert not check.leaks(Pair(_HELD_OUT.instruction, "It is of iron.", turns=other))


def _conversation(number: int, origin: ExampleOrigin = ExampleOrigin.SEED) -> list[Example]:
    opening = f"Tell of emperor{number}, region{number} and river{number}."
    answers = [f"Answer {number} {step} is its own." for step in range(3)]
    said = _turns(opening, answers[0], f"And subject {number}?", answers[1])
    conversation = conversation_id(opening)
    return [
        seed.model_copy(update={"origin": origin})
        for seed in (
            make_seed(opening, None, answers[0], (), conversation),
            make_seed(said[2].text, None, answers[1], said[:2], conversation),
            make_seed("Why is that so?", None, answers[2], said, conversation),
        )
    ]


def test_no_conversation_is_in_both_parts() -> None:
    every = [one for number in range(60) for one in _conversation(number)]
    data = divide(every, 0.2)
    assert len(data.held_out) % 3 == 0
    held = {one.provenance.conversation for one in data.held_out}
    assert held
    assert held.isdisjoint({one.provenance.conversation for one in data.seeds})
    secret = {answered for one in data.held_out for _, answered in Pair.of(one).exchanges}
    for one in data.seeds:
        assert secret.isdisjoint(answered for _, answered in Pair.of(one).exchanges)
    assert len(data.seeds) + len(data.held_out) + data.leaked == len(every)
    assert data.leaked < len(every) / 10, "generic questions in the middle are no leak"


def test_what_the_loop_made_of_a_held_out_conversation_is_left_out() -> None:
    seeds = [one for number in range(20) for one in _conversation(number)]
    [held, *_] = divide(seeds, 0.2).held_out
    made = held.model_copy(
        update={
            "id": "f" * 32,
            "instruction": "Quite another message of the user.",
            "origin": ExampleOrigin.AUGMENTED,
        }
    )
    assert divide([*seeds, made], 0.2).augmented == ()


def test_the_ratings_of_a_conversation_are_in_one_part() -> None:
    ratings = [
        HumanRating(
            id=one.id,
            instruction=one.instruction,
            response=one.response,
            turns=one.turns,
            score=4,
        )
        for number in range(60)
        for one in _conversation(number)
    ]
    rated = rated_pairs(ratings)
    assert {each.id: each.pair.turns for each in rated} == {r.id: r.turns for r in ratings}
    seeds = [make_seed(f"Ask{n} about{n} it{n}", None, f"Is{n}") for n in range(20)]
    data = divide(seeds, 0.2, rated)
    secret = {exchange for each in data.rated_held_out for exchange in each.pair.exchanges}
    assert secret
    for each in data.rated:
        assert secret.isdisjoint(each.pair.exchanges)
