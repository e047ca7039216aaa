"""Writes docs/results/loop.md and its pictures from the result files alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.loop import plots
from bench.loop.experiment import Arm
from bench.loop.report_data import curation_lines, data_lines, sample_lines
from bench.loop.report_models import (
    compare_arms,
    difference_lines,
    model_lines,
    plot_rows,
    summary_lines,
)
from bench.loop.settings import LoopSettings
from bench.loop.steps import Results

DISCUSSION = Path(__file__).with_name("discussion.md")
"""Written by hand; included unchanged if it exists."""


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
    """Write ``loop.md`` and its pictures into ``directory``.

    Leaves out steps without a result.
    """
    measured = {
        arm: results.of_seeds(f"{arm}-{{}}.measure", settings.training_seeds) for arm in Arm
    }
    quality = results.of_seeds("quality-{}", settings.training_seeds)
    compared = compare_arms(measured, settings.resamples)
    lines = [*_head(settings, header), *summary_lines(compared)]
    if compared:
        plots.differences(plot_rows(compared), directory / "differences.svg")
        lines += ["", "![differences](differences.svg)", ""]
        lines += [
            "*Right of the line the first of the two is better (the sign of NLL differences is "
            "inverted); ticks are training seeds.*"
        ]
    lines += difference_lines(compared)
    lines += model_lines(measured, settings)
    if quality:
        lines += curation_lines(quality, settings, directory)
    lines += data_lines(results, settings, directory)
    if quality:
        lines += sample_lines(quality)
    if discussion.is_file():
        lines += [
            "",
            "## Discussion",
            "",
            "*Written by hand.*",
            "",
            discussion.read_text(encoding="utf-8").strip(),
        ]
    report = directory / "loop.md"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return report


def _head(settings: LoopSettings, header: Header) -> Iterator[str]:
    yield "# What the loop gains"
    yield ""
    yield (
        "Written by `bench/loop` from its result files, except for the discussion, which is "
        "written by hand."
    )
    yield ""
    yield "```"
    yield header.command
    yield "```"
    yield ""
    yield header.machine
    yield ""
    yield (
        f"The whole method of arXiv 2308.06259 on data that others wrote: {settings.seeds} human "
        f"pairs of Dolly as seeds, {settings.unlabelled:,} other responses of Dolly without "
        f"their instructions, and {settings.passages} passages of technical documentation. A "
        "base that was trained on text alone becomes M0 on the seeds. M0 writes an instruction "
        "for each response and rates it; the base becomes M1 on the seeds and the best of "
        "these. M1 rates the same candidates again, and the base becomes M2. Everything from M0 "
        f"on was done with {len(settings.training_seeds)} training seeds. All metrics are on "
        f"{settings.held_out} held-out pairs, except those on the unlabelled responses. All "
        "settings were chosen before these pairs were measured; the learning rate was chosen on "
        "other pairs. *Random mismatches* are random negatives (requests of other pairs), *hard "
        "mismatches* lexical negatives (requests that share a rare word)."
    )
    yield ""
    yield (
        "Intervals are 95% percentile bootstrap intervals over pairs and training seeds "
        "together. A difference is *better* or *worse* if its interval excludes 0 and it has "
        "one sign for every training seed, else *inconclusive*. There is no correction for the "
        "number of comparisons: of many, a few exclude 0 by chance."
    )
