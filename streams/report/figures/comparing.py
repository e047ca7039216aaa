"""Two reports beside each other."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from schemas.errors import BackstreamError
from streams.report.content import Named, Report

DATA_ID = "backstream-report"
"""Id of the element of a page that holds the report as JSON."""
_DATA = re.compile(rf'<script type="application/json" id="{DATA_ID}">(.*?)</script>', re.DOTALL)
_LARGEST = 64 * 1024 * 1024
_MOVED = 12


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of two reports. ``percent``: it is a share."""

    name: str
    before: float
    now: float
    percent: bool = False

    @property
    def change(self) -> float:
        """Now minus before."""
        return self.now - self.before


@dataclass(frozen=True, slots=True)
class Comparison:
    """An earlier report, and what differs."""

    before: Report
    figures: tuple[Figure, ...]
    moved: tuple[tuple[str, tuple[Figure, ...]], ...]
    """For each kind of name, those whose share changed most."""


def read_report(file: Path) -> Report:
    """Read a report from its page or its JSON. Raises BackstreamError, naming the file."""
    try:
        if file.stat().st_size > _LARGEST:
            raise BackstreamError(f"{file} is larger than 64 MiB: it is not a report")
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BackstreamError(f"{file} is not a report: it is not text in UTF-8") from error
    except OSError as error:
        raise BackstreamError(f"{file} cannot be read: {error.strerror or error}") from error
    if text.lstrip().startswith("<"):
        found = _DATA.search(text)
        if found is None:
            raise BackstreamError(
                f"{file} is a page without a report's data: give a page or a .json file that "
                "`backstream report` wrote"
            )
        text = found[1]
    try:
        return Report.model_validate(json.loads(text))
    except (ValueError, RecursionError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if first else str(error)
        raise BackstreamError(
            f"{file} is not a report of this version ({why}): give a page or a .json file that "
            "`backstream report` of this version wrote"
        ) from error


def compare(before: Report, now: Report) -> Comparison:
    """The figures of both, where both have them, and the names whose shares changed most."""
    named: dict[str, Callable[[Report], Sequence[Named]]] = {
        "root verb or question word": lambda one: [
            Named(name=root.word, count=root.count) for root in one.roots.roots
        ],
        "category": lambda one: one.categories,
        "source": lambda one: one.sources,
        "language": lambda one: one.languages,
        "reason of a refusal": refusals,
    }
    moved = ((name, _moved(get(before), get(now))) for name, get in named.items())
    return Comparison(
        before, tuple(_figures(before, now)), tuple((name, found) for name, found in moved if found)
    )


def refusals(report: Report) -> list[Named]:
    """The refusals of all stages, as STAGE: REASON."""
    return [
        Named(name=f"{stage.stage}: {one.name}", count=one.count)
        for stage in report.stages
        for one in stage.refused
    ]


def shares(names: Sequence[Named]) -> dict[str, float]:
    """The share of each name, 0 to 1."""
    total = sum(one.count for one in names) or 1
    return {one.name: one.count / total for one in names}


def _moved(before: Sequence[Named], now: Sequence[Named]) -> tuple[Figure, ...]:
    if not before or not now:
        return ()
    old, new = shares(before), shares(now)
    found = [
        Figure(name, old.get(name, 0.0), new.get(name, 0.0), percent=True)
        for name in {**new, **old}
    ]
    found = [one for one in found if abs(one.change) >= 0.0005]
    return tuple(sorted(found, key=lambda one: (-abs(one.change), one.name))[:_MOVED])


def _figures(before: Report, now: Report) -> list[Figure]:
    def both(name: str, get: Callable[[Report], float | None], percent: bool = False) -> None:
        old, new = get(before), get(now)
        if old is not None and new is not None and (old or new):
            found.append(Figure(name, old, new, percent))

    found: list[Figure] = []
    both("examples", lambda one: one.examples)
    both("written by people", lambda one: one.seeds)
    both("documents", lambda one: one.documents)
    both("sources", lambda one: one.sources_count)
    both("mean rating", lambda one: one.mean_score)
    both("with a context", lambda one: _share(one.with_context, one.described), True)
    both("with earlier turns", lambda one: _share(one.with_turns, one.described), True)
    both("words of an instruction, median", lambda one: one.instruction_words)
    both("words of a response, median", lambda one: one.response_words)
    both("different pairs of root and object", lambda one: one.roots.different)
    both("instructions unlike all before", new_share, True)
    both("estimated precision at the threshold, last release", _last_precision, True)
    both("ratings by people", lambda one: one.human.ratings)
    return found


def new_share(report: Report) -> float | None:
    """Share of the instructions that are not similar to one before them; None without any."""
    seen = report.novelty.looked_at
    alike = sum(window.similar + window.near for window in report.novelty.windows)
    return 1 - alike / seen if seen else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _last_precision(report: Report) -> float | None:
    return report.rated[-1].precision if report.rated else None


def before_shares(comparison: Comparison | None, get: str) -> Mapping[str, float]:
    """Shares of the earlier report's names in the field ``get``; empty without one."""
    return shares(getattr(comparison.before, get)) if comparison else {}
