"""Commands that move data: ``feed``, ``seed``, ``tail``, ``export``, ``segment``, ``preview``."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from models.seeds.formats import Turns
from models.seeds.formats import read_pairs as read_seed_file
from schemas.errors import SourceError
from schemas.records import Document, Example, Rejection, Segment
from streams.cli.options import (
    Assignments,
    Backward,
    Broker,
    ConfigFile,
    Device,
    Forward,
    Json,
    Model,
    StateDir,
    connected,
    prepare_models,
    say,
    settings_from,
)
from streams.data.card import OTHER, Export, write_card
from streams.data.dataset import follow, snapshot
from streams.data.exports import Shape, row, write_jsonl, write_parquet
from streams.data.feed import FeedReport
from streams.data.feed import feed as feed_documents
from streams.data.feed import seed as write_seeds
from streams.data.sources import discover, read
from streams.observe.preview import Verdict, cut_documents, preview_documents
from streams.releases.announcements import read_releases

_HEARTBEAT_SECONDS = 5.0


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (feed, seed, tail, export, segment, preview):
        app.command()(command)


Sources = Annotated[
    list[str], typer.Argument(help="Files, directories, globs, or - for standard input.")
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format", help="text, markdown, html, jsonl, json, parquet or warc.", show_default=False
    ),
]


def feed(
    sources: Sources,
    format: Format = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
    as_json: Json = False,
) -> None:
    """Send documents to the stream; returns when the broker has them. Exit code 1 where something
    could not be read.

    Text, Markdown, HTML, JSON, JSONL, Parquet, WARC and WET, each also as .gz. Feeding the same
    twice changes nothing downstream.

    Example: `backstream feed docs/ 'pages/*.html' dump.jsonl.gz`
    """
    with connected(
        settings_from(config, assignments, state_dir=state_dir, broker=broker)
    ) as settings:
        cluster = settings.kafka.cluster()
        report = feed_documents(cluster, _with_heartbeat(read_all(sources, format)))
    _print_report(report, "documents", as_json)
    if report.failed or not report.written:
        raise typer.Exit(1)


def seed(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="JSON lines of Dolly, Alpaca, Self-Instruct or Open-Assistant; also .gz."
        ),
    ],
    turns: Annotated[
        Turns, typer.Option(help="Of conversations: the first exchange, or all.")
    ] = Turns.FIRST,
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
    as_json: Json = False,
) -> None:
    """Put human pairs on the training topic, as seeds. Exit code 1 where a line is none.

    The trainer trains on four fifths of them and measures on the rest, chosen by the hash of each
    id. Seeding the same twice changes nothing.

    Example: `backstream seed dolly.jsonl oasst.jsonl.gz --turns all`
    """
    pairs = chain.from_iterable(read_seed_file(file, turns) for file in files)
    with connected(
        settings_from(config, assignments, state_dir=state_dir, broker=broker)
    ) as settings:
        report = write_seeds(settings.kafka.cluster(), pairs)
    _print_report(report, "seeds", as_json)
    if report.failed or not report.written:
        raise typer.Exit(1)


def tail(
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
    count: Annotated[
        int | None, typer.Option("-n", help="Stop after so many.", show_default=False)
    ] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Also what is there already.")
    ] = False,
    shape: Annotated[Shape, typer.Option(help="triples, alpaca or chat.")] = Shape.TRIPLES,
) -> None:
    """Print curated examples as they come, a JSON line each. Ctrl-C ends it.

    Example: `backstream tail -n 3 --from-beginning`
    """
    with connected(
        settings_from(config, assignments, state_dir=state_dir, broker=broker)
    ) as settings:
        cluster = settings.kafka.cluster()
        for number, example in enumerate(
            follow(cluster, from_beginning=from_beginning, stop=lambda: False), start=1
        ):
            print(json.dumps(row(example, shape), ensure_ascii=False), flush=True)
            if number == count:
                return


def export(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write; .jsonl or .parquet.")
    ],
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
    shape: Annotated[
        Shape, typer.Option(help="triples, alpaca (instruction/input/output) or chat (messages).")
    ] = Shape.TRIPLES,
    license: Annotated[
        str,
        typer.Option("--license", help="What the card says, as Hugging Face names it: cc-by-4.0."),
    ] = OTHER,
    with_card: Annotated[
        bool, typer.Option("--card/--no-card", help="Write a dataset card beside the file.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Write the curated set to a file for a training tool, and beside it a card that says what is
    in it.

    The card of curated.jsonl is curated.card.md: a README.md for the Hugging Face hub.

    Example: `backstream export -o curated.jsonl --shape chat --license cc-by-4.0`
    """
    write = _writer_for(output)
    with connected(
        settings_from(config, assignments, state_dir=state_dir, broker=broker)
    ) as settings:
        cluster = settings.kafka.cluster()
        examples = snapshot(cluster)
        count = write(examples, output, shape)
        told = {"examples": count, "file": str(output)}
        if with_card:
            about = Export(
                output, shape, license, settings.curation.threshold, datetime.now(UTC).date()
            )
            told["card"] = str(write_card(about, examples, read_releases(cluster)))
    card = f", described in {told['card']}" if with_card else ""
    print(json.dumps(told) if as_json else f"{count:,} examples in {output}{card}")


def preview(
    sources: Sources,
    count: Annotated[int, typer.Option("-n", help="How many passages.", min=1)] = 5,
    format: Format = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
    model: Model = None,
    backward: Backward = None,
    forward: Forward = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Run the real agents on a few passages, without a broker, and write nothing.

    Example: `backstream preview notes.md -n 5`
    """
    settings = settings_from(
        config, assignments, model=model, backward=backward, forward=forward, device=device
    )
    shown = 0
    for verdict in preview_documents(
        settings, prepare_models(settings), read_all(sources, format), count
    ):
        shown += 1
        print(
            json.dumps(verdict.as_dict(), ensure_ascii=False)
            if as_json
            else _describe(shown, verdict),
            flush=True,
        )
    if not shown:
        say(
            "no passage was found; `backstream preview` needs text of some 600 characters "
            "under a heading"
        )
        raise typer.Exit(1)


def segment(
    sources: Sources,
    format: Format = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
) -> None:
    """Cut documents into passages, without a broker or a model: a JSON line for each, once however
    often it occurs.

    Example: `backstream segment docs/ > passages.jsonl`
    """
    settings = settings_from(config, assignments)
    seen: set[str] = set()
    refused: Counter[str] = Counter()
    for outcome in cut_documents(settings, read_all(sources, format)):
        if isinstance(outcome, Segment):
            if outcome.id not in seen:
                seen.add(outcome.id)
                print(outcome.model_dump_json(exclude_none=True))
        elif isinstance(outcome, Rejection):
            refused[outcome.reason] += outcome.count
        else:
            refused["unreadable"] += 1
            say(str(outcome))
    say(
        f"{len(seen):,} passages; refused: "
        + (", ".join(f"{n:,} {reason}" for reason, n in refused.most_common()) or "none")
    )
    if not seen:
        raise typer.Exit(1)


def read_all(sources: list[str], format: str | None = None) -> Iterator[Document | SourceError]:
    """Every document of the sources; what cannot be read comes as an error value."""
    for source in discover(sources):
        if isinstance(source, SourceError):
            yield source
        else:
            yield from read(source, format=format)


def _with_heartbeat(
    documents: Iterable[Document | SourceError],
) -> Iterator[Document | SourceError]:
    told = time.monotonic()
    for number, document in enumerate(documents, start=1):
        yield document
        if time.monotonic() - told >= _HEARTBEAT_SECONDS:
            told = time.monotonic()
            say(f"{number:,} documents read")


def _print_report(report: FeedReport, what: str, as_json: bool) -> None:
    if as_json:
        print(
            json.dumps(
                {
                    what: report.written,
                    "bytes": report.bytes,
                    "failed": report.failed,
                    "errors": report.errors,
                }
            )
        )
        return
    for error in report.errors:
        say(error)
    if report.failed > len(report.errors):
        say(f"and {report.failed - len(report.errors):,} more")
    refused = f", {report.failed:,} could not be read" if report.failed else ""
    print(
        f"{report.written:,} {what} ({report.bytes / 1e6:,.1f} MB) acknowledged by the "
        f"broker{refused}"
    )


def _writer_for(output: Path) -> Callable[[Iterable[Example], Path, Shape], int]:
    writers = {".jsonl": write_jsonl, ".parquet": write_parquet}
    if output.suffix not in writers:
        raise typer.BadParameter(f"{output} must end in .jsonl or .parquet", param_hint="--output")
    return writers[output.suffix]


def _describe(number: int, verdict: Verdict) -> str:
    score = f"{verdict.score:.2f}" if verdict.score is not None else "-"
    passage = " ".join(verdict.passage.split())
    passage = passage if len(passage) <= 160 else passage[:159] + "…"
    return (
        f"{number}. {verdict.source}\n   passage:     {passage}\n   instruction: "
        f"{verdict.instruction or '-'}\n"
        f"   rating:      {score}\n   verdict:     {verdict.verdict} ({verdict.reason})\n"
    )
