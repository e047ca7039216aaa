"""What was measured, as one readable table and as JSON."""

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
    """One measure: a value for each round, and what the median should be at most or at least."""

    section: str
    """Heading under which it is shown, unit included."""
    label: str
    values: Sequence[float]
    at_most: float | None = None
    at_least: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The row with its median, for a program."""
        row = {
            "section": self.section,
            "label": self.label,
            "median": self.median,
            "values": list(self.values),
        }
        return row | ({"target": self.target, "met": self.met} if self.target else {})

    @property
    def median(self) -> float:
        """The middle value."""
        return median(self.values)

    @property
    def target(self) -> str:
        """What is wanted, in words; empty where nothing is."""
        if self.at_most is not None:
            return f"at most {_number(self.at_most)}"
        return f"at least {_number(self.at_least)}" if self.at_least is not None else ""

    @property
    def met(self) -> bool:
        """Whether the median is as wanted."""
        return (self.at_most is None or self.median <= self.at_most) and (
            self.at_least is None or self.median >= self.at_least
        )


def machine() -> dict[str, Any]:
    """Where the figures are from: cores that this process may use, interpreter, and load before
    anything was started.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": cores,
        "python": platform.python_version(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def describe_machine(found: dict[str, Any]) -> str:
    """The header line."""
    loads = " ".join(f"{load:.2f}" for load in found["load_average"])
    line = (
        f"{found['cores']} cores, Python {found['python']}, load average before the start {loads}"
    )
    busy = found["load_average"][0] > 0.25 * found["cores"]
    return (
        f"{line}\nOther work was running: the figures are worse than on an idle machine."
        if busy
        else line
    )


def table(rows: Iterable[Row]) -> str:
    """The rows under their sections' headings: median, least and most, target."""
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
    """Print the table, then everything as one line of JSON, which is written to ``output`` too."""
    print(f"{describe_machine(found)}\nRounds: {rounds}.\n{table(rows)}\n")
    result = json.dumps({**found, "rounds": rounds, "rows": [row.as_json() for row in rows]})
    print(result)
    if output:
        output.write_text(result + "\n", encoding="utf-8")


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
