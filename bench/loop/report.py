"""Writes docs/results/loop.md and its pictures from the result files alone."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.loop import plots
from bench.loop.comparisons import (
    COMPARISONS,
    MEASURES,
    NAMES,
    Measure,
    applies,
    difference,
    figure,
)
from bench.loop.experiment import Arm
from bench.loop.intervals import Figure
from bench.loop.plan import table
from bench.loop.quality import COLUMNS, Kept, by_rating, trained_on
from bench.loop.settings import LoopSettings
from bench.loop.steps import Results

DISCUSSION = Path(__file__).with_name("discussion.md")
"""Written by hand; taken in as it is, where it is there."""


@dataclass(frozen=True, slots=True)
class Header:
    """What stands on top of the report."""

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
    measured = {arm: _of_seeds(results, f"{arm}-{{}}.measure", settings) for arm in Arm}
    quality = _of_seeds(results, "quality-{}", settings)
    compared = _compare(measured, settings.resamples)
    lines = [*_head(settings, header), *_in_words(compared)]
    if compared:
        plots.differences(_for_plot(compared), directory / "differences.svg")
        lines += ["", "![differences](differences.svg)", ""]
        lines += [
            "*Right of the line the first of the two is better (differences of NLL are "
            "turned round); ticks are training seeds.*"
        ]
    lines += _differences(compared)
    lines += _models(measured, settings)
    if quality:
        lines += _curation(quality, settings, directory)
    lines += _data(results, settings, directory)
    if quality:
        lines += _samples(quality)
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


@dataclass(frozen=True, slots=True)
class _Compared:
    ours: Arm
    theirs: Arm
    measure: Measure
    found: Figure

    @property
    def verdict(self) -> str:
        return self.found.verdict(lower_is_better=self.measure.lower_is_better)


def _compare(measured: Mapping[Arm, Sequence[Any]], resamples: int) -> list[_Compared]:
    return [
        _Compared(
            ours, theirs, measure, difference(measure, measured[ours], measured[theirs], resamples)
        )
        for ours, theirs in COMPARISONS
        if measured[ours] and len(measured[ours]) == len(measured[theirs])
        for measure in MEASURES
        if applies(measure, ours, theirs)
    ]


def _head(settings: LoopSettings, header: Header) -> Iterator[str]:
    yield "# What the loop gains"
    yield ""
    yield (
        "Made by `bench/loop` from its result files; not written by hand, but for a discussion "
        "where there is one."
    )
    yield ""
    yield "```"
    yield header.command
    yield "```"
    yield ""
    yield header.machine
    yield ""
    yield (
        "The whole method of arXiv 2308.06259 on data that nobody here wrote: "
        f"{settings.seeds} human pairs of Dolly as seeds, "
        f"{settings.unlabelled:,} other responses of Dolly without their instructions, and "
        f"{settings.passages} passages of "
        "technical documentation. A base that was trained on text alone becomes M0 on the "
        "seeds. M0 writes an instruction for "
        "each response and rates it; the base becomes M1 on the seeds and the best of these. "
        "M1 rates the same candidates "
        "again, and the base becomes M2. Everything from M0 on was done under "
        f"{len(settings.training_seeds)} training seeds. "
        f"All figures are on {settings.held_out} held-out pairs, unless they are said to be "
        "on the unlabelled responses. All "
        "settings were chosen before anything was measured on these; the learning rate was "
        "chosen on other pairs."
    )
    yield ""
    yield (
        "Intervals are 95% percentile bootstrap intervals over pairs and training seeds "
        "together. *Better* and *worse* stand "
        "where the interval of the difference excludes 0 and the difference has one sign "
        "under every training seed. "
        "No correction was made for the number of comparisons: of many, a few exclude 0 by chance."
    )


def _in_words(compared: Sequence[_Compared]) -> Iterator[str]:
    yield ""
    yield "## What came out"
    yield ""
    for ours, theirs in COMPARISONS:
        mine = [
            each
            for each in compared
            if (each.ours, each.theirs) == (ours, theirs) and not each.measure.unlabelled
        ]
        if not mine:
            continue
        verdicts = {
            word: [each.measure.label for each in mine if each.verdict == word]
            for word in ("better", "worse")
        }
        told = [f"{word} in {_list(labels)}" for word, labels in verdicts.items() if labels]
        rest = len(mine) - sum(map(len, verdicts.values()))
        told += [f"not told apart in {rest} of {len(mine)} figures"] if rest else []
        yield f"- **{_name(ours)}** against **{_name(theirs)}**: {'; '.join(told)}."


def _differences(compared: Sequence[_Compared]) -> Iterator[str]:
    for ours, theirs in COMPARISONS:
        mine = [each for each in compared if (each.ours, each.theirs) == (ours, theirs)]
        if not mine:
            continue
        yield from ("", f"### {_name(ours)} less {_name(theirs)}", "")
        yield "| figure | difference | 95% interval | by training seed | |"
        yield "|---|---|---|---|---|"
        for each in mine:
            found = each.found
            seeds = " ".join(f"{value:+.3f}" for value in found.seeds)
            interval = f"{found.low:+.3f} to {found.high:+.3f}"
            yield (
                f"| {each.measure.label} | {found.value:+.3f} | {interval} | {seeds} | "
                f"{each.verdict} |"
            )


def _models(measured: Mapping[Arm, Sequence[Any]], settings: LoopSettings) -> Iterator[str]:
    there = {arm: found for arm, found in measured.items() if found}
    yield from ("", "## The models", "")
    yield (
        "Means over training seeds, with intervals. On the unlabelled responses the loop's "
        "models were trained, with M0's "
        "instructions, so there they are no strangers; on the held-out pairs no model was. A "
        "model without seeds never learnt to "
        "rate. NLL is in nats a token, of the true instruction given the response and the "
        "other way round. ROUGE-L is with the "
        "true instruction, and 0 where nothing of use was written."
    )
    yield ""
    yield "| figure | " + " | ".join(_name(arm) for arm in there) + " |"
    yield "|---" * (1 + len(there)) + "|"
    for measure in MEASURES:
        cells = [
            _cell(figure(measure, found, settings.resamples)) if applies(measure, arm) else "–"
            for arm, found in there.items()
        ]
        yield f"| {measure.label} | {' | '.join(cells)} |"


def _curation(quality: Sequence[Any], settings: LoopSettings, directory: Path) -> Iterator[str]:
    yield from ("", "## What the ratings choose", "")
    yield (
        "Of the responses whose true instruction is known: what M0 wrote for those that a "
        "rating keeps. *First of 10* is whether "
        "M0 itself finds the true instruction among ten by what it gains from the response. "
        "The gain is the ROUGE-L less that of "
        "all candidates."
    )
    raters = {"M0": by_rating(quality, "m0", settings), "M1": by_rating(quality, "m1", settings)}
    for rater, rows in raters.items():
        yield from ("", f"### By the ratings of {rater}", "", *_quality_table(rows))
    plots.curation(raters, "rouge", COLUMNS["rouge"], directory / "curation.svg")
    yield from ("", "![quality by rating](curation.svg)", "")
    yield from (
        "### The sets that models were trained on",
        "",
        *_quality_table(trained_on(quality, settings)),
    )
    passages = {
        arm: np.mean([each["documentation"][arm] for each in quality])
        for arm in ("m1", "m2", "uncurated")
    }
    yield ""
    yield (
        f"Beside these, documentation passages in the sets, means: {passages['m1']:.0f} "
        f"(M1), {passages['m2']:.0f} (M2), "
        f"{passages['uncurated']:.0f} (at random). The sets are what the curator's rules on "
        "form, leaks and novelty left."
    )


def _quality_table(rows: Sequence[Kept]) -> Iterator[str]:
    yield (
        "| candidates | count | share | " + " | ".join(COLUMNS.values()) + " | gain in ROUGE-L | |"
    )
    yield "|---" * (5 + len(COLUMNS)) + "|"
    for row in rows:
        gain = row.gains["rouge"]
        cells = [_cell(row.figures[name]) if row.count else "–" for name in COLUMNS]
        told = 0 < row.share < 1 and np.isfinite(
            gain.value
        )  # under some training seed there may be nothing to tell of
        gained, verdict = (
            (_cell(gain, sign="+"), gain.verdict(lower_is_better=False)) if told else ("–", "")
        )
        yield (
            f"| {row.label} | {row.count:.0f} | {row.share:.0%} | {' | '.join(cells)} | {gained} "
            f"| {verdict} |"
        )


def _data(results: Results, settings: LoopSettings, directory: Path) -> Iterator[str]:
    if data := results.value("data"):
        yield from ("", "## The data", "", "| | count |", "|---|---|")
        yield from (f"| {name} | {count:,} |" for name, count in data["counts"].items())
        yield ""
        yield (
            "The held-out pairs are of the last rows of the file; the others follow each "
            "other by hash. No two rows that take "
            "part have instructions within ROUGE-L 0.7 of each other, or the same response, "
            "and no text that the base reads "
            "holds an instruction of theirs."
        )
    yield from ("", "## The settings", "")
    if base := results.value("base"):
        plots.loss(base["log"], directory / "base.svg")
        yield (
            f"The base: {base['parameters']:,} parameters of the house model's shape, "
            f"{base['tokens']:,} tokens of Dolly's "
            "contexts and responses and of documentation under its headings as plain text, "
            "no instruction among them, the rates "
            f"falling to zero over the last {settings.base_cooling:.0%}; loss at the end "
            f"{base['loss']:.2f} nats a token. Its "
            "tokenizer was trained on the same texts."
        )
        yield from ("", "![loss of the base](base.svg)", "")
    if rate := results.value("rate"):
        tried = ", ".join(f"{value:g}: {nll:.3f}" for value, nll in rate["validation"])
        yield (
            f"The learning rate: {rate['rate']:g}, the best of M0 on {settings.validation} "
            "validation pairs under the first "
            f"training seed by the mean of both NLLs ({tried}); used for every model."
        )
        yield ""
    yield (
        "Fine-tuning goes through `models/training`: batches of 8, M0 "
        f"{settings.seed_only_tokens:,} tokens, every other model "
        f"{settings.tokens:,}, so that none is better for having been trained longer. "
        "Ratings are trained on graded human seeds "
        "alone. Writing, rating and curating go through the engine and the agents with the "
        "product's defaults, but for the "
        f"threshold: it lets the best {settings.curated_share:.0%} of the candidates pass, "
        "because the absolute scale of a small "
        "model is its own. *Uncurated* is as many candidates at random that pass the "
        "curator's other rules."
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
    for found in _of_seeds(results, "m0-{}.candidates", settings):
        refused.update(found["refused"])
        written += len(found["candidates"])
    yield ""
    yield (
        f"M0 wrote {written:,} instructions in all; refused: "
        f"{_list([f'{name} {n}' for name, n in refused.items()]) or 'none'}."
    )
    yield from ("", "## The time", "", *table(settings, results.seconds()))


def _trainings(results: Results, settings: LoopSettings) -> Iterator[str]:
    rate = (results.value("rate") or {"rate": settings.rates[0]})["rate"]
    for arm in Arm:
        found = _of_seeds(results, f"{arm}-{{}}-{rate:g}.train", settings)
        found = [each for each in found if "skipped" not in each]
        if found:
            cells = (
                _range([each[name] for each in found])
                for name in ("seeds", "augmented", "sequences", "tokens", "steps")
            )
            yield f"| {_name(arm)} | {' | '.join(cells)} |"
        else:
            yield f"| {_name(arm)} | not trained: nothing was curated | | | | |"


def _sets(results: Results, settings: LoopSettings) -> Iterator[str]:
    for arm in (Arm.M1, Arm.M2, Arm.UNCURATED):
        for seed in settings.training_seeds:
            if found := results.value(f"{arm}-{seed}.set"):
                refused = {
                    name: count
                    for name, count in found["refused"].items()
                    if name != "below_threshold"
                }
                reasons = _list([f"{name} {count}" for name, count in sorted(refused.items())])
                kept = len(found["examples"])
                yield (
                    f"| {_name(arm)}, training seed {seed} | {found['passing']} | "
                    f"{found['threshold']:.2f} | {kept} | {reasons} |"
                )


def _samples(quality: Sequence[Any]) -> Iterator[str]:
    yield from (
        "",
        "## What M0 writes, unpicked",
        "",
        "The first responses by hash, first training seed.",
        "",
    )
    yield "| response | a person wrote | M0 writes | M0 rates |"
    yield "|---|---|---|---|"
    for response, truth, written, rating in quality[0]["samples"]:
        rated = "–" if rating is None else f"{rating:.1f}"
        yield (
            f"| {_flat(response, 90)} | {_flat(truth, 100)} | {_flat(written, 160) or '–'} | "
            f"{rated} |"
        )


def _for_plot(compared: Sequence[_Compared]) -> dict[str, dict[str, tuple[Figure, bool]]]:
    rows: dict[str, dict[str, tuple[Figure, bool]]] = {}
    for each in compared:
        if not each.measure.unlabelled:
            label = f"{each.ours} – {each.theirs}"
            rows.setdefault(each.measure.label, {})[label] = (
                each.found,
                each.measure.lower_is_better,
            )
    return rows


def _of_seeds(results: Results, name: str, settings: LoopSettings) -> list[Any]:
    """The value of a step under each training seed; none at all where one is missing."""
    found = [results.value(name.format(seed)) for seed in settings.training_seeds]
    return [] if any(each is None for each in found) else found


def _name(arm: Arm) -> str:
    return NAMES[arm]


def _cell(found: Figure, sign: str = "") -> str:
    if not np.isfinite(found.value):
        return "–"
    return f"{found.value:{sign}.3f} ({found.low:{sign}.3f} to {found.high:{sign}.3f})"


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _list(words: Sequence[str]) -> str:
    return ", ".join(words)


def _flat(text: str, longest: int) -> str:
    flat = " ".join(text.split())
    flat = flat if len(flat) <= longest else flat[: longest - 1] + "…"
    return flat.replace("|", "\\|").replace("<", "&lt;")
