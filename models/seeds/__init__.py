"""The human seeds that ship with the project, and how they are split into training and held-out
examples.
"""

from collections.abc import Iterable
from pathlib import Path

from models.seeds.formats import read_pairs
from schemas.errors import SourceError
from schemas.ids import hash_fraction
from schemas.records import Example

SEEDS = Path(__file__).parent / "seeds.jsonl"
HELD_OUT_SHARE = 0.2


def read_seeds(file: Path = SEEDS) -> list[Example]:
    """The pairs of a file in any of the formats of ``models.seeds.formats``. Raises SourceError
    naming a line that is none.
    """
    found = list(read_pairs(file))
    for each in found:
        if isinstance(each, SourceError):
            raise each
    return [each for each in found if isinstance(each, Example)]


def split(
    seeds: Iterable[Example], held_out_share: float = HELD_OUT_SHARE
) -> tuple[list[Example], list[Example]]:
    """Training and held-out examples, in order. By the hash of each id, so that an example never
    changes sides.
    """
    training: list[Example] = []
    held_out: list[Example] = []
    for seed in seeds:
        (held_out if hash_fraction(seed.id) < held_out_share else training).append(seed)
    return training, held_out
