"""What a class of faults found, as a file of JSON."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Result:
    """One run of one class."""

    name: str
    title: str
    seed: int
    documents: int
    """Documents that were to be fed."""
    faults: dict[str, int]
    recoveries: list[float]
    """Seconds from the end of each fault to committed progress of every stage."""
    seconds: float
    problems: list[str]
    """What the stream did wrong apart from its records."""
    verdict: dict[str, Any]
    wrong: list[str]
    """What the verifier found."""
    restarts: list[str] = field(default_factory=list)
    """Processes that were ready, ended by themselves, and were started again; with the reason."""
    notes: dict[str, object] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.wrong and not self.problems

    def write(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{self.name}.json").write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, directory: Path, name: str) -> "Result | None":
        """The stored result of a class, or None where there is none."""
        try:
            return cls(**json.loads((directory / f"{name}.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None


def percentile(values: list[float], share: float) -> float | None:
    """The smallest value that at least ``share`` of the values do not exceed."""
    if not values:
        return None
    ordered = sorted(values)
    rank = max(1, -int(-share * len(ordered) // 1))
    return ordered[rank - 1]
