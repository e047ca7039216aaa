"""Human ratings as the trainer uses them: one score a pair, and no held-out one in training."""

from pathlib import Path

import pytest

from models.evaluation.human_ratings import RatedPair, rated_pairs, read_ratings
from models.seeds import split
from models.seeds.pairs import Pair
from models.training.data import divide
from schemas.errors import TrainingError
from schemas.ids import hash_fraction, seed_id
from schemas.records import Example, ExampleOrigin, HumanRating


def _rating(id: str, score: int, rater: str = "", at: float = 0.0) -> HumanRating:
    return HumanRating(
        id=id,
        instruction=f"What is {id}?",
        response=f"{id} is a thing.",
        score=score,
        rater=rater,
        at=at,
    )


def _seed(number: int) -> Example:
    instruction, response = (
        f"What does n{number} m{number}?",
        f"Number {number} is good for counting.",
    )
    return Example(
        id=seed_id(instruction, None, response),
        instruction=instruction,
        response=response,
        origin=ExampleOrigin.SEED,
    )


_SEEDS = [_seed(number) for number in range(20)]


def test_a_file_is_read_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "ratings.jsonl"
    ratings = [_rating("a", 5), _rating("b", 1)]
    file.write_text(
        "".join(f"{rating.model_dump_json()}\n\n" for rating in ratings), encoding="utf-8"
    )
    assert read_ratings(file) == ratings


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"id": "a"}', '{"id": "a", "instruction": "b", "response": "c", "score": 6}'],
)
def test_a_line_that_is_no_rating_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "ratings.jsonl"
    file.write_text(f"{_rating('a', 3).model_dump_json()}\n{line}\n", encoding="utf-8")
    with pytest.raises(TrainingError, match=r"ratings\.jsonl:2 is not a rating"):
        read_ratings(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"none\.jsonl cannot be read"):
        read_ratings(tmp_path / "none.jsonl")


def test_the_newest_of_an_example_counts_whoever_gave_it() -> None:
    found = rated_pairs(
        [
            _rating("b", 5, "one", at=1),
            _rating("b", 4, "two", at=3),
            _rating("b", 1, "one", at=2),
            _rating("a", 2),
        ]
    )
    assert [(each.id, each.score) for each in found] == [("a", 2), ("b", 4)]
    assert found[0].pair == Pair("What is a?", "a is a thing.")


def test_some_are_held_out_by_their_ids_and_none_comes_on_both_sides() -> None:
    rated = rated_pairs(_rating(f"id {number}", 3) for number in range(100))
    data = divide(_SEEDS, 0.2, rated)
    assert 5 < len(data.rated_held_out) < 40
    assert len(data.rated) + len(data.rated_held_out) == 100
    assert all(hash_fraction(each.id) < 0.2 for each in data.rated_held_out)
    assert all(hash_fraction(each.id) >= 0.2 for each in data.rated)
    assert data == divide(_SEEDS, 0.2, reversed(rated))


def test_what_gives_away_a_measure_is_left_out_and_counted() -> None:
    rated = rated_pairs(_rating(f"id {number}", 3) for number in range(20))
    before = divide(_SEEDS, 0.2, rated)
    seed = split(_SEEDS)[1][0]
    fitted = [
        name for name in (f"other {number}" for number in range(50)) if hash_fraction(name) >= 0.2
    ]
    near = RatedPair(fitted[0], Pair(f"Please: {seed.instruction}", "Another."), 5)
    same = RatedPair(fitted[1], Pair("Quite another?", seed.response), 5)
    again = RatedPair(fitted[2], before.rated_held_out[0].pair, 5)
    after = divide(_SEEDS, 0.2, [*rated, near, same, again])
    assert (before.rated_leaked, after.rated_leaked) == (0, 3)
    assert (after.rated, after.rated_held_out) == (before.rated, before.rated_held_out)
