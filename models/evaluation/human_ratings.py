"""Human ratings as the trainer uses them: one score a pair."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from models.seeds.jsonl import read_records
from models.seeds.pairs import Pair
from schemas.ids import conversation_id
from schemas.records import HumanRating


@dataclass(frozen=True, slots=True)
class RatedPair:
    """A pair and its human rating."""

    id: str
    """Id of the example."""
    pair: Pair
    score: int
    """1 to 5."""
    headings: tuple[str, ...] = ()
    """Those above the response."""

    @property
    def key(self) -> str:
        """What decides the same as for a seed: the conversation's id, or its own."""
        turns = self.pair.turns
        return conversation_id(turns[0].text) if turns else self.id


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
            Pair(found.instruction, found.response, found.context or "", found.turns),
            found.score,
            found.headings,
        )
        for id, found in sorted(newest.items())
    ]
