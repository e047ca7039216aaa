"""Compares the models of the report: differences, their summary, and metrics of each model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.loop.bootstrap import SeedEstimate
from bench.loop.cells import estimate_cell, list_cell
from bench.loop.comparisons import (
    COMPARISONS,
    METRICS,
    NAMES,
    Metric,
    applies,
    difference,
    estimate,
)
from bench.loop.experiment import Arm
from bench.loop.settings import LoopSettings


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """The difference of two arms in one metric."""

    ours: Arm
    theirs: Arm
    metric: Metric
    found: SeedEstimate

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``inconclusive``."""
        return self.found.verdict(lower_is_better=self.metric.lower_is_better)


def compare_arms(measured: Mapping[Arm, Sequence[Any]], resamples: int) -> list[MetricDifference]:
    """Estimate every metric of every comparison whose arms were both measured."""
    return [
        MetricDifference(
            ours, theirs, metric, difference(metric, measured[ours], measured[theirs], resamples)
        )
        for ours, theirs in COMPARISONS
        if measured[ours] and len(measured[ours]) == len(measured[theirs])
        for metric in METRICS
        if applies(metric, ours, theirs)
    ]


def summary_lines(compared: Sequence[MetricDifference]) -> Iterator[str]:
    """Yield the verdicts of each comparison on held-out pairs in a sentence."""
    yield ""
    yield "## Summary"
    yield ""
    for ours, theirs in COMPARISONS:
        mine = [
            each
            for each in compared
            if (each.ours, each.theirs) == (ours, theirs) and not each.metric.unlabelled
        ]
        if not mine:
            continue
        verdicts = {
            word: [each.metric.label for each in mine if each.verdict == word]
            for word in ("better", "worse")
        }
        phrases = [f"{word} in {list_cell(labels)}" for word, labels in verdicts.items() if labels]
        rest = len(mine) - sum(map(len, verdicts.values()))
        phrases += [f"inconclusive in {rest} of {len(mine)} metrics"] if rest else []
        yield f"- **{NAMES[ours]}** against **{NAMES[theirs]}**: {'; '.join(phrases)}."


def difference_lines(compared: Sequence[MetricDifference]) -> Iterator[str]:
    """Yield a table of differences for each comparison."""
    for ours, theirs in COMPARISONS:
        mine = [each for each in compared if (each.ours, each.theirs) == (ours, theirs)]
        if not mine:
            continue
        yield from ("", f"### {NAMES[ours]} less {NAMES[theirs]}", "")
        yield "| metric | difference | 95% interval | by training seed | |"
        yield "|---|---|---|---|---|"
        for each in mine:
            found = each.found
            seeds = " ".join(f"{value:+.3f}" for value in found.seeds)
            interval = f"{found.low:+.3f} to {found.high:+.3f}"
            yield (
                f"| {each.metric.label} | {found.value:+.3f} | {interval} | {seeds} | "
                f"{each.verdict} |"
            )


def model_lines(measured: Mapping[Arm, Sequence[Any]], settings: LoopSettings) -> Iterator[str]:
    """Yield a table with the metrics of every model."""
    there = {arm: found for arm, found in measured.items() if found}
    yield from ("", "## The models", "")
    yield (
        "Means over training seeds, with intervals. The loop's models were trained on the "
        "unlabelled responses with M0's instructions; no model was trained on the held-out "
        "pairs. A model without seeds was not trained to rate. NLL is in nats a token, of the "
        "true instruction given the response and of the true response given the instruction. "
        "ROUGE-L is with the true instruction, and 0 if the backward agent refused what was "
        "written."
    )
    yield ""
    yield "| metric | " + " | ".join(NAMES[arm] for arm in there) + " |"
    yield "|---" * (1 + len(there)) + "|"
    for metric in METRICS:
        cells = [
            estimate_cell(estimate(metric, found, settings.resamples))
            if applies(metric, arm)
            else "–"
            for arm, found in there.items()
        ]
        yield f"| {metric.label} | {' | '.join(cells)} |"


def plot_rows(
    compared: Sequence[MetricDifference],
) -> dict[str, dict[str, tuple[SeedEstimate, bool]]]:
    """Return the differences on held-out pairs as ``plots.differences`` takes them."""
    rows: dict[str, dict[str, tuple[SeedEstimate, bool]]] = {}
    for each in compared:
        if not each.metric.unlabelled:
            label = f"{each.ours} – {each.theirs}"
            rows.setdefault(each.metric.label, {})[label] = (
                each.found,
                each.metric.lower_is_better,
            )
    return rows
