"""``docs/reliability.md``, written from the stored results."""

import datetime
import json
import os
import platform
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from tests.chaos.faults import CLASSES
from tests.chaos.result import Result, percentile

_INTRODUCTION = """\
# Reliability

What was broken on purpose, and what became of the records. This page is written by
`make chaos` from a run.

Each class of faults has a Kafka of its own, workers with the bundled model, and documents that are
fed all the time while its faults happen. One document in twenty is fed a second time, and a quarter
of them are refused by the segmenter. Every message on `documents` is compressed with one of Kafka's
codecs, or with none. At the end, when nothing is in flight any more, a verifier that imports
nothing of the product reads the topics and compares them with what was fed. Then `backstream audit`
has to find that nothing is lost.

- **lost**: documents, segments, candidates and ratings that no record, rejection or dead letter
  answers for.
- **copies**: messages that repeat the id and release of another one of their topic. A record that
  was in flight at a kill is processed again and written under the same key.
- **duplicates**: examples that are twice in `curated` after folding it by key, by id or by
  response.
- **dead letters**: of messages that were made unreadable on purpose / of other messages.
- **restarts**: processes that were ready and ended by themselves, and were started again as a
  supervisor does.
- **recovery**: from the end of a fault, or a kill, until every stage has committed progress; of the
  partitions that had something left at that time, all of them.
"""
_LIMITS = """\
## Limits

- Everything runs on one machine. Clocks that differ, hosts and networks that fail in part, and
  disks that lose what they have acknowledged are not covered.
- A transaction of a foreign producer whose end is never written holds back what follows in its
  partition from all readers of committed messages. That is Kafka's own rule. A single broker of
  Kafka 4.3.1 that was killed while it ended a transaction was seen to leave one behind. The
  classes therefore kill no broker before the markers of their aborted transactions are written.
  `kafka-transactions.sh` ends such a transaction, and `kafka.isolation_level: read_uncommitted`
  reads past it.
- The figures are those of one run. Recovery includes the start of a process: its imports and the
  loading of the model.
"""
_COLUMNS = (
    "class",
    "fed",
    "written by the model",
    "faults",
    "lost",
    "copies",
    "duplicates",
    "dead letters",
    "restarts",
    "recovery p50",
    "p99",
    "result",
)

_MOST_LINES = 5


def write_report(work: Path, output: Path) -> None:
    """Write the report of every stored result, and of the soak where there is one."""
    stored = [Result.load(work, one.name) for one in CLASSES]
    results = [result for result in stored if result is not None]
    parts = [_INTRODUCTION]
    if results:
        plot = output.parent / "results" / "recovery.svg"
        _plot(results, plot)
        parts += [_run(results), _table(results), _totals(results)]
        parts += ["![Recovery times by class](results/recovery.svg)\n", _faults(results)]
        parts.append(_wrong(results))
    missing = [one for one in CLASSES if one.name not in {result.name for result in results}]
    if missing:
        names = ", ".join(f"{one.title} (`{one.name}`)" for one in missing)
        parts.append(f"Not run here: {names}.\n")
    soak = work / "soak.json"
    if soak.exists():
        parts.append(_soak(json.loads(soak.read_text())))
    parts.append(_LIMITS)
    text = "\n".join(part for part in parts if part)
    output.write_text("\n\n".join(map(_wrapped, text.split("\n\n"))), encoding="utf-8")


def _wrapped(paragraph: str) -> str:
    """A paragraph in lines of at most 100 columns; tables and lists as they are."""
    if paragraph.lstrip().startswith(("|", "-", "#", "!")):
        return paragraph
    end = "\n" if paragraph.endswith("\n") else ""
    return textwrap.fill(" ".join(paragraph.split()), 100, break_on_hyphens=False) + end


def machine() -> str:
    """The machine in words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {memory:.0f} GB of memory, Python {platform.python_version()}"


def _run(results: list[Result]) -> str:
    seeds = sorted({result.seed for result in results})
    documents = round(sum(result.documents for result in results), -2)  # shares are rounded
    seconds = sum(result.seconds for result in results)
    command = f"make chaos SEED={seeds[0]} DOCUMENTS={documents}"
    today = datetime.date.today().isoformat()
    return (
        "## The run\n\n"
        f"`{command}` on {today}, {seconds / 60:.0f} minutes, on a machine with\n{machine()}. One"
        f" class: `make chaos CLASS=kill-worker SEED={seeds[0]}\nDOCUMENTS=2000`. Seed, class and"
        " number of documents give the same documents and the same faults in\nthe same order. Which"
        " records a fault meets depends on the machine.\n"
    )


def _table(results: list[Result]) -> str:
    lines = [" | ".join(_COLUMNS), " | ".join("---" for _ in _COLUMNS)]
    lines += [" | ".join(_row(result.title, [result])) for result in results]
    lines.append(" | ".join(_row("all", results)))
    return "".join(f"| {line} |\n" for line in lines)


def _row(title: str, results: list[Result]) -> list[str]:
    verdicts = [result.verdict for result in results]
    recoveries = [seconds for result in results for seconds in result.recoveries]
    unexpected = sum(len(verdict["dead_unexpected"]) for verdict in verdicts)
    dead = sum(verdict["dead"] for verdict in verdicts)
    return [
        title,
        f"{sum(verdict['messages'].get('documents', 0) for verdict in verdicts):,}",
        f"{sum(verdict['ids'].get('candidates', 0) for verdict in verdicts):,}",
        f"{sum(sum(result.faults.values()) for result in results):,}",
        f"{sum(len(verdict['lost']) for verdict in verdicts):,}",
        f"{sum(sum(verdict['duplicates'].values()) for verdict in verdicts):,}",
        f"{sum(len(verdict['duplicates_folded']) for verdict in verdicts):,}",
        f"{dead - unexpected:,} / {unexpected:,}",
        f"{sum(len(result.restarts) for result in results):,}",
        _seconds(percentile(recoveries, 0.5)),
        _seconds(percentile(recoveries, 0.99)),
        "passed" if all(result.passed for result in results) else "**failed**",
    ]


def _totals(results: list[Result]) -> str:
    differing: Counter[str] = Counter()
    ids: Counter[str] = Counter()
    for result in results:
        differing.update(result.verdict["differing"])
        ids.update(result.verdict["ids"])
    return (
        f"In all, {ids['documents']:,} different documents gave {ids['segments']:,} passages,"
        f" {ids['candidates']:,} instructions\nby the model, {ids['scored']:,} rated candidates"
        f" and {ids['curated']:,} kept examples. Of the ids that were written more than\nonce by"
        " one"
        f" release, the text differed for {differing['segments']} segments and"
        f" {differing['candidates']} candidates, the score by\nmore than 0.05 for"
        f" {differing['scored']}, and the example for {differing['curated']}. An int8 model's last"
        " digits depend on\nwhat else is in its batch, so a candidate that is generated again may"
        " differ in a word.\n"
    )


def _faults(results: list[Result]) -> str:
    lines = ["## The faults\n", "| class | fault | times |", "|---|---|---|"]
    for result in results:
        lines += [f"| `{result.name}` | {kind} | {n} |" for kind, n in result.faults.items()]
    return "\n".join(lines) + "\n"


def _wrong(results: list[Result]) -> str:
    found = {
        "What went wrong": [(one.name, [*one.problems, *one.wrong]) for one in results],
        "Processes that ended by themselves": [(one.name, one.restarts) for one in results],
    }
    return "\n".join(filter(None, (_listed(title, lines) for title, lines in found.items())))


def _listed(title: str, found: list[tuple[str, list[str]]]) -> str:
    lines = []
    for name, every in found:
        lines += [f"- `{name}`: {line}" for line in every[:_MOST_LINES]]
        if len(every) > _MOST_LINES:
            lines.append(f"- `{name}`: and {len(every) - _MOST_LINES} more")
    return f"## {title}\n\n" + "\n".join(lines) + "\n" if lines else ""


def _plot(results: list[Result], file: Path) -> None:
    mpl.rcParams["svg.hashsalt"] = "chaos"
    figure = Figure(figsize=(8, 0.35 * len(results) + 1.2))
    axes = figure.subplots()
    for row, result in enumerate(reversed(results)):
        axes.plot(result.recoveries, [row] * len(result.recoveries), "o", alpha=0.5, color="C0")
    axes.set_yticks(range(len(results)), [result.name for result in reversed(results)])
    axes.set_xlabel("seconds from the end of a fault to committed progress of every stage")
    axes.set_xlim(left=0)
    axes.grid(axis="x", alpha=0.3)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})


def _soak(soak: dict[str, Any]) -> str:
    lines = [
        "## Soak\n",
        f"`python -m tests.chaos.soak --minutes {soak['minutes']:g}`, {machine()}, {soak['date']}."
        f" {soak['per_second']:g} documents a second,\n{soak['fed']:,} in all, {soak['written']:,}"
        " instructions by the model, no faults. Sampled every"
        f" {soak['interval']:g} s. The slope of\nthe resident memory is a least-squares fit to"
        f" the means of each minute after the first {soak['warm_up']:g},\nwith its 95% interval.\n",
        "| process | MB at the start | MB at the end | slope, MB an hour | descriptors | threads |",
        "|---|---|---|---|---|---|",
    ]
    for one in soak["processes"]:
        low, high = one["interval"]
        lines.append(
            f"| {one['name']} | {one['first_mb']:.0f} | {one['last_mb']:.0f} |"
            f" {one['slope']:+.1f} ({low:+.1f} to {high:+.1f}) |"
            f" {one['descriptors'][0]} to {one['descriptors'][1]} |"
            f" {one['threads'][0]} to {one['threads'][1]} |"
        )
    lines.append(
        "\nA worker remembers the last 20,000 ids of each stage, and the kept examples of its"
        " partitions. The\nbroker's Java heap may grow to 384 MB. Neither is full after half an"
        " hour; 100,000 records are in\n"
        "[record 0008](decisions/0008-stream-throughput.md)."
        f"\n\nThe lag of all stages was {soak['lag_median']:,} messages in the median and"
        f" {soak['lag_most']:,} at most.\n\n![Memory, descriptors and lag](results/soak.svg)\n"
    )
    return "\n".join(lines)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"
