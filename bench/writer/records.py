"""What a model did with each row and passage, a JSON line each, so that a run can be continued."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar


@dataclass(frozen=True, slots=True)
class Ranked:
    """The likelihood of a true instruction, and its rank among others."""

    key: str
    """Number of the row."""
    characters: int
    """Of the instruction, and one for its end."""
    tokens: int
    """The same in tokens of the model."""
    given: float
    """Nats of the instruction given its response."""
    alone: float
    """Nats of the instruction given an empty response."""
    before: int
    """Rivals with at least the gain in likelihood, a token, that the response gives this one."""


@dataclass(frozen=True, slots=True)
class Written:
    """An instruction that a model wrote."""

    key: str
    """Id of the passage, or number of the row."""
    instruction: str | None
    """None where the passage does not fit the model's context window."""
    complete: bool = False
    """False if it reached the limit of tokens."""


R = TypeVar("R", Ranked, Written)


class Records(Generic[R]):
    """The records of one kind in a file, by key, in the order in which they were made."""

    def __init__(self, file: Path, kind: type[R]) -> None:
        """Read the file if it is there. A last line that was cut short is left out."""
        self._file = file
        self._found: dict[str, R] = {}
        for values in _lines(file):
            record = kind(**values)
            self._found[record.key] = record

    def missing(self, keys: Iterable[str]) -> list[str]:
        """The keys that there is no record for, in their order."""
        return [key for key in keys if key not in self._found]

    def of(self, keys: Iterable[str]) -> list[R]:
        """The records of some keys, where there are any."""
        return [self._found[key] for key in keys if key in self._found]

    def append(self, records: Iterable[R]) -> None:
        """Keep records, in memory and at the end of the file."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as lines:
            for record in records:
                self._found[record.key] = record
                lines.write(json.dumps(asdict(record)) + "\n")


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    if not file.is_file():
        return
    text = file.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if len(whole) < len(text):
        file.write_text(whole, encoding="utf-8")
    for line in whole.splitlines():
        yield json.loads(line)
