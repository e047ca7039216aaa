"""Which exemplars a request for an instruction shows."""

from collections.abc import Iterable

from models.seeds import read_seeds, split
from models.seeds.formats import make_seed
from schemas.ids import bootstrap_id
from schemas.records import Bootstrap, Example, ExampleOrigin, Turn
from streams.data.bootstraps import HUMAN, MADE, draw


def _made(count: int, **fields: object) -> list[Example]:
    return [
        make_seed(f"Made number {number}.", None, f"Response {number}.").model_copy(
            update={"origin": ExampleOrigin.AUGMENTED, **fields}
        )
        for number in range(count)
    ]


def _human(count: int, text: str = "What is {}?") -> list[Example]:
    return [make_seed(text.format(number), None, f"It is {number}.") for number in range(count)]


def _shown(requests: Iterable[Bootstrap]) -> list[tuple[str, ...]]:
    return [tuple(one.instruction for one in request.exemplars) for request in requests]


def test_six_are_human_and_two_are_made() -> None:
    examples = [*_human(60), *_made(5)]
    requests = list(draw(examples, 40))
    for shown in _shown(requests):
        assert len(set(shown)) == HUMAN + MADE == 8
        assert sum(text.startswith("Made") for text in shown) == MADE
    assert len({one.id for one in requests}) == 40
    orders = {tuple(text.startswith("Made") for text in shown) for shown in _shown(requests)}
    assert len(orders) > 5, "made ones stand anywhere in the list"


def test_all_are_human_while_fewer_than_two_are_made() -> None:
    for shown in _shown(draw([*_human(60), *_made(1)], 20)):
        assert len(shown) == 8
        assert all(text.startswith("What is") for text in shown)


def test_the_same_call_gives_the_same_requests_in_whatever_order_the_examples_come() -> None:
    examples = [*_human(60), *_made(5)]
    first = list(draw(examples, 20))
    assert first == list(draw(reversed(examples), 20))
    assert first[:5] == list(draw(examples, 5))
    assert {one.id for one in first}.isdisjoint(one.id for one in draw(examples, 20, seed=1))
    for number, one in enumerate(first):
        assert one.id == bootstrap_id([each.id for each in one.exemplars], number)


def test_pairs_that_releases_are_measured_on_are_not_shown() -> None:
    examples = _human(60)
    _, held_out = split(examples)
    shown = {text for each in _shown(draw(examples, 60)) for text in each}
    assert held_out
    assert shown.isdisjoint(one.instruction for one in held_out)
    measured = {one.instruction for one in split(read_seeds())[1]}
    assert measured.isdisjoint({text for each in _shown(draw([], 60)) for text in each})


def test_the_projects_pairs_are_shown_where_the_users_are_too_few() -> None:
    few = _human(5)
    assert any("What is" not in text for shown in _shown(draw(few, 30)) for text in shown)
    many = _human(30, "Was ist {}, und wozu dient es?")
    assert all("Was ist" in text for shown in _shown(draw(many, 30)) for text in shown)


def test_what_is_too_long_and_what_has_earlier_turns_is_not_shown() -> None:
    turns = (Turn(role="user", text="Hello"), Turn(role="assistant", text="Hello."))
    examples = [
        *_human(30),
        *_human(30, "Long {} " + "word " * 100),
        *_made(9, turns=turns),
        make_seed("Short.", None, "x" * 9000),
    ]
    for shown in _shown(draw(examples, 30)):
        assert all(text.startswith("What is") for text in shown)
