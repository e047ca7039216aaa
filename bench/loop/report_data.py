"""Describes data, settings and curation in the report."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bench.loop import plots
from bench.loop.arms import CURATED, NAMES, TRAINED, Arm, Signal
from bench.loop.cells import estimate_cell, list_cell, range_cell, text_cell
from bench.loop.plan import table
from bench.loop.quality import COLUMNS, QualityResult, Subset, by_rating, trained_on
from bench.loop.settings import LoopSettings
from bench.loop.steps import Results

_RATERS = {
    f"{Arm.M0}-{Signal.DIGITS}": "M0's digits",
    f"{Arm.M0}-{Signal.LIKELIHOOD}": "M0's likelihoods",
    f"{Arm.M0}-{Signal.COMBINED}": "M0's combination",
    f"{Arm.M1}-{Signal.COMBINED}": "M1's combination",
}


def curation_lines(
    quality: Sequence[QualityResult], settings: LoopSettings, directory: Path
) -> Iterator[str]:
    """Yield the quality of subsets of the candidates, and draw ``curation.svg``."""
    yield from ("", "## Quality against threshold", "")
    if not quality:
        yield "Not run."
        return
    yield (
        "Responses with a known true instruction: what M0 wrote for those that a rating keeps. "
        f"{len(quality)} of {len(settings.training_seeds)} training seeds. The gain in ROUGE-L is "
        "the ROUGE-L less that of all candidates."
    )
    raters = {label: by_rating(quality, rater, settings) for rater, label in _RATERS.items()}
    for label, rows in raters.items():
        yield from ("", f"### By {label}", "", *_subset_table(rows, settings))
    plots.curation(raters, "rouge", COLUMNS["rouge"], directory / "curation.svg")
    yield from ("", "![quality by rating](curation.svg)", "")
    yield from (
        "### The sets that models were trained on",
        "",
        *_subset_table(trained_on(quality, settings), settings),
        "",
    )
    passages = [
        f"{np.mean([each['documentation'][arm] for each in quality]):.0f} ({arm})"
        for arm in CURATED
    ]
    yield f"The sets also have documentation passages, means: {list_cell(passages)}."


def _subset_table(rows: Sequence[Subset], settings: LoopSettings) -> Iterator[str]:
    planned = len(settings.training_seeds)
    yield (
        "| candidates | count | share | " + " | ".join(COLUMNS.values()) + " | gain in ROUGE-L | |"
    )
    yield "|---" * (5 + len(COLUMNS)) + "|"
    for row in rows:
        gain = row.gains["rouge"]
        cells = [estimate_cell(row.metrics[name]) if row.count else "–" for name in COLUMNS]
        # The gain is NaN if there is no such candidate for some training seed.
        is_defined = 0 < row.share < 1 and np.isfinite(gain.value)
        gained, verdict = (
            (estimate_cell(gain, sign="+"), gain.verdict(planned, lower_is_better=False))
            if is_defined
            else ("–", "")
        )
        yield (
            f"| {row.label} | {row.count:.0f} | {row.share:.0%} | {' | '.join(cells)} | {gained} "
            f"| {verdict} |"
        )


def data_lines(results: Results, settings: LoopSettings) -> Iterator[str]:
    """Yield data, settings, trainings and times."""
    if data := results.value("data"):
        yield from ("", "## The data", "", "| | count |", "|---|---|")
        yield from (f"| {name} | {count:,} |" for name, count in data["counts"].items())
        yield ""
        yield (
            "The held-out pairs are from the last rows of the file; the other parts are chosen by "
            "hash. No two rows that are used have instructions within ROUGE-L 0.7 of each other, "
            "or the same response. Whether the base saw rows of Dolly in its own training is not "
            "known."
        )
    yield from ("", "## The settings", "")
    yield (
        f"Fine-tuning uses `models/training`: adapters of rank {settings.rank}, rate "
        f"{settings.rate:g} (the writer's; none was tried on these pairs), batches of "
        f"{settings.batch}. Products are in fp32 on a CPU and in bf16 on a GPU. M0 takes "
        f"{settings.seed_steps} steps and every other model {settings.steps}, so that "
        "none is better because it was trained longer. "
        f"{settings.rating_share:.0%} of the sequences train ratings, on graded human seeds alone. "
        "The prompts are those of the writer. The engine writes and scores in fp32 on a CPU and in "
        "fp16 on a GPU; the agents of the stream write and curate, and the first word of an "
        "instruction is left to the model. "
        f"A curated set has the {settings.curated} best candidates by a signal that pass the "
        "curator's other rules; *at random* are as many random ones that pass them."
    )
    yield from (
        "",
        "| | seeds | of the loop | sequences | tokens | steps |",
        "|---|---|---|---|---|---|",
    )
    yield from _trainings(results, settings)
    yield from _sets(results, settings)
    yield from _written(results, settings)
    yield from ("", "## The time", "", *table(settings, results.seconds()))
    yield ""
    yield (
        "Expected is on 2 idle cores. A training that was interrupted counts from its last start."
    )


def _trainings(results: Results, settings: LoopSettings) -> Iterator[str]:
    for arm in TRAINED:
        found = results.by_seed(f"{arm}-{{}}.train", settings.training_seeds).values()
        if found:
            cells = (
                range_cell([each[name] for each in found])
                for name in ("seeds", "augmented", "sequences", "tokens", "steps")
            )
            yield f"| {NAMES[arm]} | {' | '.join(cells)} |"
        else:
            yield f"| {NAMES[arm]} | not run | | | | |"


def _sets(results: Results, settings: LoopSettings) -> Iterator[str]:
    if not any(results.by_seed(f"{arm}-{{}}.set", settings.training_seeds) for arm in CURATED):
        return
    yield from ("", "| set | kept | passed over, better rated or drawn before |", "|---|---|---|")
    for arm in CURATED:
        for seed in settings.training_seeds:
            if found := results.value(f"{arm}-{seed}.set"):
                reasons = [f"{name} {count}" for name, count in sorted(found["refused"].items())]
                yield (
                    f"| {NAMES[arm]}, training seed {seed} | {len(found['numbers'])} | "
                    f"{list_cell(reasons)} |"
                )


def _written(results: Results, settings: LoopSettings) -> Iterator[str]:
    by_seed = results.by_seed(f"{Arm.M0}-{{}}.candidates", settings.training_seeds)
    if by_seed:
        refused: Counter[str] = Counter()
        for found in by_seed.values():
            refused.update(found["refused"])
        reasons = list_cell([f"{name} {count}" for name, count in refused.items()])
        written = sum(len(found["candidates"]) for found in by_seed.values())
        yield ""
        yield f"M0 wrote {written:,} instructions in all; refused: {reasons or 'none'}."


def sample_lines(quality: Sequence[QualityResult]) -> Iterator[str]:
    """Yield a table of samples."""
    if not quality:
        return
    yield from (
        "",
        "## Samples of M0, not selected",
        "",
        "The first responses by their ids, with the first training seed, and M0's ratings.",
        "",
    )
    yield "| response | a person wrote | M0 writes | digits | likelihood | combined |"
    yield "|---|---|---|---|---|---|"
    for response, truth, written, rated in quality[0]["samples"]:
        scores = (rated[f"{Arm.M0}-{signal}"] for signal in Signal)
        cells = " | ".join("–" if score is None else f"{score:.1f}" for score in scores)
        yield (
            f"| {text_cell(response, 90)} | {text_cell(truth, 100)} | "
            f"{text_cell(written, 160) or '–'} | {cells} |"
        )
