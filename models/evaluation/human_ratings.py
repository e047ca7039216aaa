"""What people think of pairs, as the trainer reads it: one score a pair."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from models.seeds.jsonl import read_records
from models.seeds.pairs import Pair
from schemas.records import HumanRating


@dataclass(frozen=True, slots=True)
class RatedPair:
    """A pair and a person's score of it, 1 to 5."""

    id: str
    """The example's, by which it is decided whether the score is trained on or measured on."""
    pair: Pair
    score: int


def read_ratings(file: Path) -> list[HumanRating]:
    """Ratings as JSON lines. Raises TrainingError naming the line that is none."""
    return read_records(file, HumanRating, "a rating")


def rated_pairs(ratings: Iterable[HumanRating]) -> list[RatedPair]:
    """Each example that was rated, once, in the order of the ids. The newest rating counts, whoever
    gave it.
    """
    newest = {
        rating.id: rating
        for rating in sorted(ratings, key=lambda rating: (rating.at, rating.model_dump_json()))
    }
    return [
        RatedPair(id, Pair(found.instruction, found.response, found.context or ""), found.score)
        for id, found in sorted(newest.items())
    ]
