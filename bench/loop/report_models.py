"""Compares the models of the report: differences, their summary, and metrics of each model."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.loop.arms import JUDGES, NAMES, Arm
from bench.loop.bootstrap import SeedEstimate
from bench.loop.cells import estimate_cell, list_cell
from bench.loop.comparisons import (
    COMPARISONS,
    JUDGE_METRICS,
    METRICS,
    Metric,
    Result,
    difference,
    estimate,
)
from bench.loop.settings import LoopSettings
from bench.loop.steps import Results

BySeed = Mapping[int, Result]
"""The values of a step by training seed."""


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """The difference of two models in one metric."""

    ours: Arm
    theirs: Arm
    metric: Metric
    found: SeedEstimate
    verdict: str
    """As ``SeedEstimate.verdict``."""


def measured(results: Results, settings: LoopSettings) -> dict[Arm, BySeed]:
    """Return the metrics of each model. The base, measured once, has them for every seed."""
    base = results.value(f"{Arm.BASE}.measure")
    found: dict[Arm, BySeed] = {
        arm: results.by_seed(f"{arm}-{{}}.measure", settings.training_seeds) for arm in Arm
    }
    return found | {Arm.BASE: dict.fromkeys(settings.training_seeds, base) if base else {}}


def compare(
    pairs: Sequence[tuple[Arm, Arm]],
    metrics: Sequence[Metric],
    found: Mapping[Arm, BySeed],
    settings: LoopSettings,
) -> list[MetricDifference]:
    """Estimate the differences of each pair of models, with the seeds of which both have one."""
    compared: list[MetricDifference] = []
    for ours, theirs in pairs:
        seeds = [seed for seed in found[ours] if seed in found[theirs]]
        for metric in metrics if seeds else ():
            mine, others = ([found[arm][seed] for seed in seeds] for arm in (ours, theirs))
            value = difference(metric, mine, others, settings.resamples)
            verdict = value.verdict(
                len(settings.training_seeds), lower_is_better=metric.lower_is_better
            )
            compared.append(MetricDifference(ours, theirs, metric, value, verdict))
    return compared


def summary_lines(compared: Sequence[MetricDifference]) -> Iterator[str]:
    """Yield the verdicts of each comparison in a sentence, or that it was not run."""
    yield from ("", "## Summary", "")
    for ours, theirs in COMPARISONS:
        mine = [each for each in compared if (each.ours, each.theirs) == (ours, theirs)]
        phrases = []
        for verdict in dict.fromkeys(each.verdict for each in mine):
            labels = [each.metric.label for each in mine if each.verdict == verdict]
            some = f" in {list_cell(labels)}" if len(labels) < len(mine) else " in all metrics"
            phrases.append(f"{verdict}{some}")
        yield f"- **{NAMES[ours]}** against **{NAMES[theirs]}**: {'; '.join(phrases) or 'not run'}."


def difference_lines(compared: Sequence[MetricDifference]) -> Iterator[str]:
    """Yield a table of differences for each comparison that was run."""
    for ours, theirs in dict.fromkeys((each.ours, each.theirs) for each in compared):
        yield from ("", f"### {NAMES[ours]} less {NAMES[theirs]}", "")
        yield "| metric | difference | 95% interval | by training seed | |"
        yield "|---|---|---|---|---|"
        for each in compared:
            if (each.ours, each.theirs) == (ours, theirs):
                found = each.found
                seeds = " ".join(f"{value:+.3f}" for value in found.seeds)
                interval = f"{found.low:+.3f} to {found.high:+.3f}"
                yield (
                    f"| {each.metric.label} | {found.value:+.3f} | {interval} | {seeds} | "
                    f"{each.verdict} |"
                )


def model_lines(found: Mapping[Arm, BySeed], settings: LoopSettings) -> Iterator[str]:
    """Yield a table with the metrics of every model."""
    yield from ("", "## The models", "")
    yield (
        "Means over training seeds, with intervals. NLL is in nats a token, of the true "
        "instruction given the response and of the true response given the instruction, under "
        f"both tags. The rank is that of the true instruction among {settings.choices}, by the "
        "nats a token that the response saves; chance is "
        f"{(settings.choices + 1) / 2:g}."
    )
    yield ""
    yield from _table(Arm, found, METRICS, settings)


def _table(
    arms: Iterable[Arm],
    found: Mapping[Arm, BySeed],
    metrics: Sequence[Metric],
    settings: LoopSettings,
) -> Iterator[str]:
    """Yield a row of metrics for each arm."""
    labels = [metric.label for metric in metrics]
    yield f"| model | training seeds | {' | '.join(labels)} |"
    yield f"|---|---{'|---' * len(labels)}|"
    for arm in arms:
        yield f"| {NAMES[arm]} | {_cells(list(found[arm].values()), metrics, settings)} |"


def _cells(found: Sequence[Result], metrics: Sequence[Metric], settings: LoopSettings) -> str:
    every = len(settings.training_seeds)
    if not found:
        return " | ".join([f"0 of {every}", *["not run"] * len(metrics)])
    cells = [estimate_cell(estimate(metric, found, settings.resamples)) for metric in metrics]
    return " | ".join([f"{len(found)} of {every}", *cells])


def judge_lines(results: Results, settings: LoopSettings) -> Iterator[str]:
    """Yield how well the models that rate tell true pairs from others, and how they differ."""
    found = {arm: results.by_seed(f"{arm}-{{}}.judged", settings.training_seeds) for arm in JUDGES}
    yield from ("", "## The judges", "")
    yield (
        f"The first {settings.judged} held-out pairs, each response also with a random request and "
        "with a hard one, which shares a rare word with the true one. The judges of a model are "
        f"fitted on {settings.judge_pairs} of its seeds (docs/judging.md)."
    )
    yield ""
    yield from _table(JUDGES, found, JUDGE_METRICS, settings)
    yield from difference_lines(compare([(Arm.M1, Arm.M0)], JUDGE_METRICS, found, settings))


def plot_rows(
    compared: Sequence[MetricDifference],
) -> dict[str, dict[str, tuple[SeedEstimate, bool]]]:
    """Return the differences as ``plots.differences`` takes them."""
    rows: dict[str, dict[str, tuple[SeedEstimate, bool]]] = {}
    for each in compared:
        label = f"{each.ours} – {each.theirs}"
        rows.setdefault(each.metric.label, {})[label] = (each.found, each.metric.lower_is_better)
    return rows
