"""The files of an export: one, or one for each side of a split, or shards for the hub."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from schemas.records import Example, Preference
from streams.data.exports import Shape, write_jsonl, write_parquet
from streams.data.preferences import write_preferences
from streams.data.selection import Traits, traits_of, traits_of_pair
from streams.data.trees import write_messages, write_trees

ShapeName = Literal["triples", "alpaca", "chat", "sharegpt", "prompt_completion", "oasst", "dpo"]
SUFFIXES = (".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class Form:
    """What a row looks like."""

    shape: ShapeName
    with_evidence: bool = False

    @property
    def traits(self) -> Callable[[Any], Traits]:
        """What the traits of its items are."""
        return traits_of_pair if self.shape == "dpo" else traits_of

    def write(self, items: Sequence[Any], path: Path) -> int:
        """Write items to a .jsonl or .parquet file; return the number written.

        Items are preference pairs for ``dpo``, else examples. The file appears whole or not at all.
        Raises BackstreamError where it cannot be written.
        """
        as_table = path.suffix == ".parquet"
        if self.shape == "dpo":
            pairs: Sequence[Preference] = items
            return write_preferences(pairs, path)
        examples: Sequence[Example] = items
        if self.shape == "oasst":
            return (write_messages if as_table else write_trees)(examples, path)
        write = write_parquet if as_table else write_jsonl
        return write(examples, path, Shape(self.shape), self.with_evidence)


def side_path(file: Path, side: str) -> Path:
    """The file of one side of a split: ``curated.train.jsonl`` for ``curated.jsonl``."""
    return file.with_name(f"{file.stem}.{side}{file.suffix}")


def write_shards(
    form: Form, items: Sequence[Any], folder: Path, side: str, rows: int = 50_000
) -> list[Path]:
    """Write Parquet files of at most ``rows`` items each, named as the hub's viewer expects.

    The last names say how many there are: ``train-00000-of-00002.parquet``. Without items there is
    one, without rows. Raises BackstreamError where one cannot be written.
    """
    starts = range(0, max(len(items), 1), rows)
    files = []
    for number, first in enumerate(starts):
        path = folder / f"{side}-{number:05}-of-{len(starts):05}.parquet"
        form.write(items[first : first + rows], path)
        files.append(path)
    return files
