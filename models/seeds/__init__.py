"""The human seeds that ship with the project, and how they are split into training and held-out examples."""

import json
from collections.abc import Iterable
from pathlib import Path

from schemas.errors import SourceError
from schemas.ids import seed_id, share_of
from schemas.records import Example, ExampleOrigin

SEEDS = Path(__file__).parent / "seeds.jsonl"
HELD_OUT_SHARE = 0.2


def read_seeds(file: Path = SEEDS) -> list[Example]:
    """Human pairs as examples, in file order: JSON lines with ``instruction``, ``response`` and, optional, ``context``.

    Raises SourceError naming the line that is not one.
    """
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{file} cannot be read as seeds: {error}") from error
    return [_read_seed(line, f"{file}:{number}") for number, line in enumerate(lines, 1) if line.strip()]


def split(seeds: Iterable[Example], held_out_share: float = HELD_OUT_SHARE) -> tuple[list[Example], list[Example]]:
    """Training and held-out examples, in order. By the hash of each id, so that an example never changes sides."""
    training: list[Example] = []
    held_out: list[Example] = []
    for seed in seeds:
        (held_out if share_of(seed.id) < held_out_share else training).append(seed)
    return training, held_out


def _read_seed(line: str, where: str) -> Example:
    try:
        row = json.loads(line)
        instruction, response = row["instruction"].strip(), row["response"].strip()
        context = (row.get("context") or "").strip() or None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SourceError(f"{where} is not a seed, an object with an instruction and a response: {error!r}") from error
    if not instruction or not response:
        raise SourceError(f"{where} has an empty instruction or response")
    return Example(
        id=seed_id(instruction, context, response),
        instruction=instruction,
        context=context,
        response=response,
        origin=ExampleOrigin.SEED,
    )
