"""Writes docs/results/loop.md and its pictures from the result files alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.loop import plots
from bench.loop.comparisons import COMPARISONS, METRICS
from bench.loop.plan import is_complete, state
from bench.loop.report_data import curation_lines, data_lines, sample_lines
from bench.loop.report_models import (
    compare,
    difference_lines,
    judge_lines,
    measured,
    model_lines,
    plot_rows,
    summary_lines,
)
from bench.loop.settings import LoopSettings
from bench.loop.steps import Results

DISCUSSION = Path(__file__).with_name("discussion.md")
"""Written by hand; included unchanged if it exists."""
EARLIER = Path(__file__).with_name("earlier.md")
"""What an earlier version of the experiment found; included unchanged."""


@dataclass(frozen=True, slots=True)
class Header:
    """Command and machine, at the top of the report."""

    command: str
    machine: str


def write_report(
    results: Results,
    settings: LoopSettings,
    header: Header,
    directory: Path,
    discussion: Path = DISCUSSION,
) -> Path:
    """Write ``loop.md`` and its pictures into ``directory``. Says what was not run."""
    directory.mkdir(parents=True, exist_ok=True)
    quality = list(results.by_seed("quality-{}", settings.training_seeds).values())
    found = measured(results, settings)
    compared = compare(COMPARISONS, METRICS, found, settings)
    lines = [*_head(settings, header), *_state(results, settings), *summary_lines(compared)]
    if compared:
        plots.differences(plot_rows(compared), directory / "differences.svg")
        lines += ["", "![differences](differences.svg)", ""]
        lines += [
            "*Right of the line the first of the two is better (the sign of differences is "
            "inverted where lower is better); ticks are training seeds.*"
        ]
    lines += difference_lines(compared)
    lines += model_lines(found, settings)
    lines += judge_lines(results, settings)
    lines += curation_lines(quality, settings, directory)
    lines += data_lines(results, settings)
    lines += sample_lines(quality)
    if discussion.is_file():
        lines += ["", "## Discussion", "", "*Written by hand.*", ""]
        lines += [discussion.read_text(encoding="utf-8").strip()]
    lines += ["", EARLIER.read_text(encoding="utf-8").strip()]
    report = directory / "loop.md"
    report.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return report


def _head(settings: LoopSettings, header: Header) -> Iterator[str]:
    yield "# What the loop gains"
    yield ""
    yield (
        "Written by `bench/loop` from its result files, except for the discussion and the earlier "
        "result, which are written by hand."
    )
    yield from ("", "```", header.command, "```", "", header.machine, "")
    yield (
        f"The whole method of arXiv 2308.06259 on data that others wrote: {settings.seeds} human "
        f"pairs of Dolly as seeds, {settings.unlabelled:,} other responses of Dolly without their "
        f"instructions, and {settings.passages} passages of technical documentation. The base "
        "becomes M0 on the seeds. M0 writes an instruction for each response and rates it; the "
        "base becomes M1 on the seeds and the best of these. M1 rates the same candidates again, "
        "and the base becomes M2. Candidates are rated by digits, by likelihood and by the "
        "combination of both, from the same evidence, and each signal has a model that was trained "
        "on as many pairs. Everything from M0 on is done with "
        f"{len(settings.training_seeds)} training seeds. All metrics are on {settings.held_out} "
        "held-out pairs. All settings were chosen before these pairs were measured."
    )
    yield ""
    yield (
        "Intervals are 95% percentile bootstrap intervals over pairs and training seeds together. "
        "A difference is *better* or *worse* if its interval excludes 0 and it has one sign for "
        "every training seed, else *inconclusive*. There is no correction for the number of "
        "comparisons: of many, a few exclude 0 by chance."
    )


def _state(results: Results, settings: LoopSettings) -> Iterator[str]:
    done = results.seconds().keys()
    if is_complete(settings, done):
        return
    yield from ("", "## What was not run", "")
    yield (
        "**The experiment is not complete.** Every number below is of the steps that were run; a "
        "cell without a result says so. Intervals of fewer training seeds than planned are over "
        "pairs and those seeds, and give no verdict."
    )
    yield from ("", *state(settings, done))
