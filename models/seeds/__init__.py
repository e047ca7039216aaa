"""The human seeds of the project, and their split into training and held-out examples."""

from collections.abc import Iterable
from pathlib import Path

from models.seeds.formats import read_pairs
from schemas.errors import SourceError
from schemas.ids import conversation_id, hash_fraction
from schemas.records import Example

SEEDS = Path(__file__).parent / "seeds.jsonl"
HELD_OUT_SHARE = 0.2


def read_seeds(file: Path = SEEDS) -> list[Example]:
    """Read the pairs of a file in any format of ``models.seeds.formats``.

    Raises SourceError, which names the line, where a line is not a pair.
    """
    found = list(read_pairs(file))
    for each in found:
        if isinstance(each, SourceError):
            raise each
    return [each for each in found if isinstance(each, Example)]


def split(
    seeds: Iterable[Example], held_out_share: float = HELD_OUT_SHARE
) -> tuple[list[Example], list[Example]]:
    """Split into training and held-out examples, each in order.

    The split is by the hash of the id, so that an example is on the same side in every run. The
    exchanges of a conversation are on one side together.
    """
    training: list[Example] = []
    held_out: list[Example] = []
    for seed in seeds:
        (held_out if hash_fraction(split_key(seed)) < held_out_share else training).append(seed)
    return training, held_out


def split_key(example: Example) -> str:
    """What decides on which side of a split an example is: its conversation's id, or its own."""
    if not example.provenance.conversation and example.turns:
        return conversation_id(example.turns[0].text)
    return example.provenance.conversation or example.id
