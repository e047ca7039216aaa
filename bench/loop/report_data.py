"""Describes data, settings and curation in the report."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.loop import plots
from bench.loop.cells import estimate_cell, list_cell, range_cell, text_cell
from bench.loop.comparisons import NAMES
from bench.loop.experiment import Arm
from bench.loop.plan import table
from bench.loop.quality import COLUMNS, Subset, by_rating, trained_on
from bench.loop.settings import LoopSettings
from bench.loop.steps import Results


def curation_lines(
    quality: Sequence[Any], settings: LoopSettings, directory: Path
) -> Iterator[str]:
    """Yield the quality of subsets of the candidates, and draw ``curation.svg``."""
    yield from ("", "## Subsets by rating", "")
    yield (
        "Responses with a known true instruction: what M0 wrote for those that a rating keeps. "
        "*First of 10* is whether M0 itself ranks the true instruction first of ten by its gain "
        "from the response. The gain in ROUGE-L is the ROUGE-L less that of all candidates."
    )
    raters = {"M0": by_rating(quality, "m0", settings), "M1": by_rating(quality, "m1", settings)}
    for rater, rows in raters.items():
        yield from ("", f"### By the ratings of {rater}", "", *_subset_table(rows))
    plots.curation(raters, "rouge", COLUMNS["rouge"], directory / "curation.svg")
    yield from ("", "![quality by rating](curation.svg)", "")
    yield from (
        "### The sets that models were trained on",
        "",
        *_subset_table(trained_on(quality, settings)),
    )
    passages = {
        arm: np.mean([each["documentation"][arm] for each in quality])
        for arm in ("m1", "m2", "uncurated")
    }
    yield ""
    yield (
        f"The sets also have documentation passages, means: {passages['m1']:.0f} (M1), "
        f"{passages['m2']:.0f} (M2), {passages['uncurated']:.0f} (at random). The sets are what "
        "passed the curator's rules on form, leakage and novelty."
    )


def _subset_table(rows: Sequence[Subset]) -> Iterator[str]:
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
            (estimate_cell(gain, sign="+"), gain.verdict(lower_is_better=False))
            if is_defined
            else ("–", "")
        )
        yield (
            f"| {row.label} | {row.count:.0f} | {row.share:.0%} | {' | '.join(cells)} | {gained} "
            f"| {verdict} |"
        )


def data_lines(results: Results, settings: LoopSettings, directory: Path) -> Iterator[str]:
    """Yield data, settings, trainings and times, and draw ``base.svg``."""
    if data := results.value("data"):
        yield from ("", "## The data", "", "| | count |", "|---|---|")
        yield from (f"| {name} | {count:,} |" for name, count in data["counts"].items())
        yield ""
        yield (
            "The held-out pairs are from the last rows of the file; the other parts are chosen "
            "by hash. No two rows that are used have instructions within ROUGE-L 0.7 of each "
            "other, or the same response, and no text of the base contains an instruction of "
            "theirs."
        )
    yield from ("", "## The settings", "")
    if base := results.value("base"):
        plots.loss(base["log"], directory / "base.svg")
        yield (
            f"The base: {base['parameters']:,} parameters of the house model's architecture, "
            f"{base['tokens']:,} tokens of Dolly's contexts and responses and of documentation "
            "with its headings as plain text, without instructions. The learning rates fall to "
            f"zero over the last {settings.base_cooling:.0%}; loss at the end {base['loss']:.2f} "
            "nats a token. Its tokenizer was trained on the same texts."
        )
        yield from ("", "![loss of the base](base.svg)", "")
    if rate := results.value("rate"):
        tried = ", ".join(f"{value:g}: {nll:.3f}" for value, nll in rate["validation"])
        yield (
            f"The learning rate: {rate['rate']:g}, the best of M0 on {settings.validation} "
            f"validation pairs with the first training seed by the mean of both NLLs ({tried}); "
            "it is used for every model."
        )
        yield ""
    yield (
        f"Fine-tuning uses `models/training`: batches of 8, M0 {settings.seed_only_tokens:,} "
        f"tokens, every other model {settings.tokens:,}, so that none is better because it was "
        "trained longer. Ratings are trained on graded human seeds alone. Writing, rating and "
        "curating use the engine and the agents with the defaults of the stream, except for the "
        f"threshold: the best {settings.curated_share:.0%} of the candidates reach it, because "
        "the ratings of a small model are not on an absolute scale. *Uncurated* is as many "
        "random candidates that pass the curator's other rules."
    )
    yield from (
        "",
        "| | seeds | of the loop | sequences | tokens | steps |",
        "|---|---|---|---|---|---|",
    )
    yield from _trainings(results, settings)
    yield from (
        "",
        "| set | rated high enough | threshold | kept | refused for |",
        "|---|---|---|---|---|",
    )
    yield from _sets(results, settings)
    refused: Counter[str] = Counter()
    written = 0
    for found in results.of_seeds("m0-{}.candidates", settings.training_seeds):
        refused.update(found["refused"])
        written += len(found["candidates"])
    yield ""
    yield (
        f"M0 wrote {written:,} instructions in all; refused: "
        f"{list_cell([f'{name} {n}' for name, n in refused.items()]) or 'none'}."
    )
    yield from ("", "## The time", "", *table(settings, results.seconds()))


def _trainings(results: Results, settings: LoopSettings) -> Iterator[str]:
    rate = (results.value("rate") or {"rate": settings.rates[0]})["rate"]
    for arm in Arm:
        found = results.of_seeds(f"{arm}-{{}}-{rate:g}.train", settings.training_seeds)
        found = [each for each in found if "skipped" not in each]
        if found:
            cells = (
                range_cell([each[name] for each in found])
                for name in ("seeds", "augmented", "sequences", "tokens", "steps")
            )
            yield f"| {NAMES[arm]} | {' | '.join(cells)} |"
        else:
            yield f"| {NAMES[arm]} | not trained: nothing was curated | | | | |"


def _sets(results: Results, settings: LoopSettings) -> Iterator[str]:
    for arm in (Arm.M1, Arm.M2, Arm.UNCURATED):
        for seed in settings.training_seeds:
            if found := results.value(f"{arm}-{seed}.set"):
                refused = {
                    name: count
                    for name, count in found["refused"].items()
                    if name != "below_threshold"
                }
                reasons = list_cell([f"{name} {count}" for name, count in sorted(refused.items())])
                kept = len(found["examples"])
                yield (
                    f"| {NAMES[arm]}, training seed {seed} | {found['passing']} | "
                    f"{found['threshold']:.2f} | {kept} | {reasons} |"
                )


def sample_lines(quality: Sequence[Any]) -> Iterator[str]:
    """Yield a table of samples."""
    yield from (
        "",
        "## Samples of M0, not selected",
        "",
        "The first responses by hash, with the first training seed.",
        "",
    )
    yield "| response | a person wrote | M0 writes | M0 rates |"
    yield "|---|---|---|---|"
    for response, truth, written, rating in quality[0]["samples"]:
        rated = "–" if rating is None else f"{rating:.1f}"
        yield (
            f"| {text_cell(response, 90)} | {text_cell(truth, 100)} | "
            f"{text_cell(written, 160) or '–'} | {rated} |"
        )
