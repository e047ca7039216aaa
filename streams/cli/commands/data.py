"""Commands that write to the topics or read records from them: feed, seed, tail, export."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.cli.options import BROKER, Json, with_settings

if TYPE_CHECKING:
    from streams.settings import Settings

Sources = Annotated[
    list[str], typer.Argument(help="Files, directories, globs, or - for standard input.")
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="text, markdown, html, pdf, docx, epub, rst, man, asciidoc, jsonl, json, csv, "
        "parquet, arrow or warc.",
        show_default=False,
    ),
]
TextColumn = Annotated[
    str | None,
    typer.Option(
        "--text-column",
        help="The field of rows of JSON, CSV, Parquet and Arrow that holds the text.",
        show_default=False,
    ),
]
Include = Annotated[
    list[str] | None,
    typer.Option(
        help="Read only files whose name, folder or path matches this glob. Repeatable.",
        show_default=False,
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        help="Pass over files whose name, folder or path matches this glob. Repeatable.",
        show_default=False,
    ),
]
ShapeName = Literal["triples", "alpaca", "chat", "sharegpt"]
ExportShapeName = Literal[ShapeName, "oasst", "dpo"]
TurnsName = Literal["first", "all"]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    for command in (feed, seed, tail, export):
        app.command()(command)


@with_settings(*BROKER)
def feed(
    settings: "Settings",
    sources: Sources,
    format: Format = None,
    text_column: TextColumn = None,
    include: Include = None,
    exclude: Exclude = None,
    as_json: Json = False,
) -> None:
    """Send documents to the stream.

    Returns when the broker has acknowledged them. Reads text, Markdown, HTML, manual pages,
    AsciiDoc, EPUB, JSON, JSONL, CSV, Parquet, Arrow, WARC and WET, with the extra "formats" PDF,
    DOCX and reStructuredText, too; all but Parquet also compressed with gzip, bzip2, xz or zstd.
    Directories of Hugging Face's data sets are read as well. Feeding the same
    twice changes nothing downstream. The exit code is 1 if something could not be read. What is
    passed over, such as images in a directory, is counted and named.

    Example: `backstream feed docs/ 'pages/*.html' dump.jsonl.gz`
    """
    from streams.cli.connection import connected
    from streams.cli.documents import read_documents, with_notices
    from streams.cli.reports import finish
    from streams.data import feed as feeding
    from streams.data.sources import Choice
    from streams.data.tally import Tally
    from streams.kafka.topics import DOCUMENTS

    tally = Tally()
    choice = Choice(include or (), exclude or ())
    with connected(settings, DOCUMENTS, create_state=True) as settings:
        documents = with_notices(read_documents(sources, format, text_column, tally, choice))
        report = feeding.feed(settings.kafka.cluster(), documents)
    finish(report, tally, "documents", as_json)


@with_settings(*BROKER)
def seed(
    settings: "Settings",
    files: Annotated[
        list[str],
        typer.Argument(
            help="JSON, JSON lines, CSV, Parquet or Arrow of Dolly, Alpaca, Self-Instruct, "
            "Open-Assistant, chats or pairs; also compressed, and directories of them."
        ),
    ],
    turns: Annotated[
        TurnsName,
        typer.Option(help="Exchanges to take from a conversation: the first, or all."),
    ] = "all",
    replies: Annotated[
        int,
        typer.Option(help="How many of the best-ranked replies of a tree to follow.", min=1),
    ] = 1,
    as_json: Json = False,
) -> None:
    """Put human pairs on the training topic, as seeds.

    The trainer trains on four fifths of them and measures on the rest, chosen by the hash of each
    id; the exchanges of a conversation stay together. Each exchange is a seed of its own, with the
    turns before it. Seeding the same twice changes nothing. The exit code is 1 if a line is not a
    pair.

    Example: `backstream seed dolly.jsonl oasst.jsonl.gz --replies 2`
    """
    from models.seeds.formats import Reading, Turns
    from streams.cli.connection import connected
    from streams.cli.documents import read_seeds
    from streams.cli.reports import finish
    from streams.data import feed as feeding
    from streams.data.tally import Tally
    from streams.kafka.topics import CURATED

    tally = Tally()
    pairs = read_seeds(files, Reading(Turns(turns), replies), tally)
    with connected(settings, CURATED, create_state=True) as settings:
        report = feeding.seed(settings.kafka.cluster(), pairs)
    finish(report, tally, "seeds", as_json)


@with_settings(*BROKER)
def tail(
    settings: "Settings",
    count: Annotated[
        int | None, typer.Option("-n", help="Stop after this many.", min=1, show_default=False)
    ] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Start with the examples that are there.")
    ] = False,
    shape: Annotated[ShapeName, typer.Option(help="What a row looks like.")] = "triples",
) -> None:
    """Print curated examples as they arrive, until Ctrl-C.

    Prints a JSON line for each example. Says on standard error what it waits for.

    Example: `backstream tail -n 3 --from-beginning`
    """
    from streams.cli.connection import connected
    from streams.cli.console import notice
    from streams.cli.waiting import Waiting
    from streams.data.dataset import follow
    from streams.data.exports import Shape, json_line
    from streams.kafka.topics import CURATED
    from streams.trainer.broker_probe import BrokerProbe

    with connected(settings) as settings, BrokerProbe(settings.kafka.cluster()) as probe:
        cluster = settings.kafka.cluster()
        what = f"{'' if from_beginning else 'new '}examples, which workers write to "
        what += f"{cluster.topic(CURATED)} at {cluster.address}"
        waiting = Waiting(what, lambda: probe.not_ready, notice)
        examples = follow(cluster, from_beginning=from_beginning, stop=waiting.look)
        printed: dict[str, int] = {}
        left = count
        for example in examples:
            waiting.came()
            line = json_line(example, Shape(shape))
            if printed.get(example.id) == hash(line):  # only its alternatives are new
                continue
            printed[example.id] = hash(line)
            print(line, flush=True)
            left = left and left - 1
            if left == 0:
                return


@with_settings(*BROKER)
def export(
    settings: "Settings",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write; .jsonl or .parquet.")
    ],
    shape: Annotated[
        ExportShapeName,
        typer.Option(
            help="Columns of a row: triples, alpaca (instruction/input/output), chat (messages), "
            "sharegpt (conversations), oasst: Open-Assistant's trees, or dpo: preference pairs "
            "(prompt/chosen/rejected)."
        ),
    ] = "triples",
    license: Annotated[
        str,
        typer.Option(
            "--license", help="Licence for the card, as Hugging Face names it: cc-by-4.0."
        ),
    ] = "other",
    with_evidence: Annotated[
        bool,
        typer.Option(
            "--with-evidence",
            help="Add the figures that each rating was made from; triples only.",
        ),
    ] = False,
    with_card: Annotated[
        bool, typer.Option("--card/--no-card", help="Write a dataset card beside the file.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Write the curated set to a file, with a dataset card.

    The file is for a training tool. The card of curated.jsonl is curated.card.md: a README.md for
    the Hugging Face hub. With --shape dpo, writes the preference pairs, without a card.

    Example: `backstream export -o curated.jsonl --shape chat`
    """
    from streams.cli.connection import connected
    from streams.data.card import Export, write_card
    from streams.data.dataset import snapshot
    from streams.data.exports import Shape, write_jsonl, write_parquet
    from streams.data.trees import write_messages, write_trees
    from streams.observe.acceptance import read_acceptance
    from streams.releases.announcements import read_releases

    as_rows = {".jsonl": write_jsonl, ".parquet": write_parquet}.get(output.suffix)
    as_trees = {".jsonl": write_trees, ".parquet": write_messages}.get(output.suffix)
    if as_rows is None or as_trees is None:
        raise typer.BadParameter(f"{output} must end in .jsonl or .parquet", param_hint="--output")
    if with_evidence and shape != "triples":
        raise typer.BadParameter(
            f"rows of the shape {shape} have no rating: take --shape triples",
            param_hint="--with-evidence",
        )
    if shape == "dpo":
        _export_preferences(settings, output, as_json)
        return
    with connected(settings) as settings:
        cluster = settings.kafka.cluster()
        examples = snapshot(cluster)
        if shape == "oasst":
            count = as_trees(examples, output)
        else:
            count = as_rows(examples, output, Shape(shape), with_evidence)
        card = None
        if with_card:
            accepted = read_acceptance(cluster, settings)
            about = Export(
                output,
                shape,
                license,
                datetime.now(UTC).date(),
                str(accepted) if accepted else "",
            )
            card = write_card(about, examples, read_releases(cluster))
    if as_json:
        report = {"examples": count, "file": str(output)}
        print(json.dumps(report | ({"card": str(card)} if card else {})))
    else:
        print(f"{count:,} examples in {output}" + (f", described in {card}" if card else ""))


def _export_preferences(settings: "Settings", output: Path, as_json: bool) -> None:
    from streams.cli.connection import connected
    from streams.cli.console import notice
    from streams.data.preferences import preferences, write_preferences

    with connected(settings) as settings:
        count = write_preferences(preferences(settings.kafka.cluster()), output)
    if as_json:
        print(json.dumps({"preferences": count, "file": str(output)}))
    else:
        print(f"{count:,} preference pairs in {output}")
    if not count:
        notice(
            "there is no pair: set preferences.enabled, and generation.samples above 1 or "
            "rewriting.enabled, and run a worker"
        )
