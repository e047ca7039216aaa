"""Reports measurements as a table and as JSON."""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """A measured quantity: a value for each round, and the target of the median."""

    section: str
    """Heading of the table, with the unit."""
    label: str
    values: Sequence[float]
    at_most: float | None = None
    at_least: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the row with its median, for a program."""
        row = {
            "section": self.section,
            "label": self.label,
            "median": self.median,
            "values": list(self.values),
        }
        return row | ({"target": self.target, "met": self.met} if self.target else {})

    @property
    def median(self) -> float:
        """Median of the rounds."""
        return median(self.values)

    @property
    def target(self) -> str:
        """The target in words; empty if there is none."""
        if self.at_most is not None:
            return f"at most {_number(self.at_most)}"
        return f"at least {_number(self.at_least)}" if self.at_least is not None else ""

    @property
    def met(self) -> bool:
        """Whether the median meets the target."""
        return (self.at_most is None or self.median <= self.at_most) and (
            self.at_least is None or self.median >= self.at_least
        )


def machine() -> dict[str, Any]:
    """Return usable cores, Python version, and the load average before the start."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": cores,
        "python": platform.python_version(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def describe_machine(found: dict[str, Any]) -> str:
    """Return the header line."""
    loads = " ".join(f"{load:.2f}" for load in found["load_average"])
    line = (
        f"{found['cores']} cores, Python {found['python']}, load average before the start {loads}"
    )
    busy = found["load_average"][0] > 0.25 * found["cores"]
    return (
        f"{line}\nThe machine had other load: the results are worse than on an idle machine."
        if busy
        else line
    )


def table(rows: Iterable[Row]) -> str:
    """Return the rows under the headings of their sections: median, range, target."""
    lines: list[str] = []
    section = ""
    for row in rows:
        if row.section != section:
            section = row.section
            lines += ["", f"{section:<64}{'median':>9}   {'least to most':<19} target"]
        spread = (
            f"{_number(min(row.values))} to {_number(max(row.values))}"
            if len(row.values) > 1
            else ""
        )
        verdict = f"{row.target}: {'met' if row.met else 'MISSED'}" if row.target else ""
        lines.append(f"  {row.label:<62}{_number(row.median):>9}   {spread:<19} {verdict}".rstrip())
    return "\n".join(lines)


def publish(found: dict[str, Any], rounds: int, rows: Sequence[Row], output: Path | None) -> None:
    """Print the table, then everything as a line of JSON, which is also written to ``output``."""
    print(f"{describe_machine(found)}\nRounds: {rounds}.\n{table(rows)}\n")
    result = json.dumps({**found, "rounds": rounds, "rows": [row.as_json() for row in rows]})
    print(result)
    if output:
        output.write_text(result + "\n", encoding="utf-8")


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
