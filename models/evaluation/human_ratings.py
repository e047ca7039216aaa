"""Human ratings as the trainer uses them: one score a pair."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from models.seeds.jsonl import read_records
from models.seeds.pairs import Pair
from schemas.records import HumanRating


@dataclass(frozen=True, slots=True)
class RatedPair:
    """A pair and its human rating."""

    id: str
    """Id of the example. It decides whether the score is used for training or held out."""
    pair: Pair
    score: int
    """1 to 5."""
    headings: tuple[str, ...] = ()
    """Those above the response."""


def read_ratings(file: Path) -> list[HumanRating]:
    """Read ratings from JSON lines. Raises TrainingError, which names the line."""
    return read_records(file, HumanRating, "a rating")


def rated_pairs(ratings: Iterable[HumanRating]) -> list[RatedPair]:
    """Each rated example once, in the order of ids. Its newest rating counts, by any rater."""
    newest = {
        rating.id: rating
        for rating in sorted(ratings, key=lambda rating: (rating.at, rating.model_dump_json()))
    }
    return [
        RatedPair(
            id,
            Pair(found.instruction, found.response, found.context or ""),
            found.score,
            found.headings,
        )
        for id, found in sorted(newest.items())
    ]
