"""Commands that write to the topics or read records from them: feed, seed, tail."""

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.cli.options import BROKER, Json, given, with_settings

if TYPE_CHECKING:
    from streams.settings import Settings

Sources = Annotated[
    list[str],
    typer.Argument(help="Files, directories, globs, or - for standard input.", callback=given),
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
ShapeName = Literal["triples", "alpaca", "chat", "sharegpt", "prompt_completion"]
TurnsName = Literal["first", "all"]


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    for command in (feed, seed, tail):
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
    twice changes nothing downstream. The exit code is 3 if something could not be read. What is
    passed over, such as images in a directory, is counted and named.

    Example: `backstream feed docs/ 'pages/*.html' dump.jsonl.gz`
    """
    from streams.cli.connection import connected
    from streams.cli.documents import read_documents, with_notices
    from streams.cli.reports import finish
    from streams.data import feed as feeding
    from streams.data.sources import Choice, require_one
    from streams.data.tally import Tally
    from streams.kafka.topics import DOCUMENTS

    require_one(sources)
    tally = Tally()
    choice = Choice(include or (), exclude or ())
    with connected(settings, DOCUMENTS, create_state=True) as settings:
        documents = with_notices(read_documents(sources, format, text_column, tally, choice))
        report = feeding.feed(settings.kafka.cluster(), documents)
    finish(report, tally, "document", as_json)


@with_settings(*BROKER)
def seed(
    settings: "Settings",
    files: Annotated[
        list[str],
        typer.Argument(
            help="JSON, JSON lines, CSV, Parquet or Arrow of Dolly, Alpaca, Self-Instruct, "
            "Open-Assistant, chats or pairs; also compressed, and directories of them.",
            callback=given,
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
    turns before it. Seeding the same twice changes nothing, and what people decided about a seed
    stays. The exit code is 3 if a line is not a pair.

    Example: `backstream seed dolly.jsonl oasst.jsonl.gz --replies 2`
    """
    from models.seeds.formats import Reading, Turns
    from streams.cli.connection import connected
    from streams.cli.documents import read_seeds
    from streams.cli.reports import finish
    from streams.data import feed as feeding
    from streams.data.sources import require_one
    from streams.data.tally import Tally
    from streams.kafka.topics import CURATED

    require_one(files)
    tally = Tally()
    pairs = read_seeds(files, Reading(Turns(turns), replies), tally)
    with connected(settings, CURATED, create_state=True) as settings:
        report = feeding.seed(settings.kafka.cluster(), pairs)
    finish(report, tally, "seed", as_json)


@with_settings(*BROKER)
def tail(
    settings: "Settings",
    count: Annotated[
        int | None, typer.Option("-n", help="Stop after this many.", min=1, show_default=False)
    ] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Start with the examples that are there.")
    ] = False,
    newest: Annotated[
        int | None,
        typer.Option(
            "--newest",
            metavar="N",
            help="Print this many of the newest that are there, oldest first, and end.",
            min=1,
            show_default=False,
        ),
    ] = None,
    shape: Annotated[
        ShapeName | None,
        typer.Option(
            help="What a JSON line looks like; implies --json. [default: triples]",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[
        bool | None,
        typer.Option(
            "--json/--text",
            help="JSON lines, or text for people. Default: text on a terminal, JSON elsewhere.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print curated examples as they arrive, or the newest.

    On a terminal, prints the rating, id and source of each, its request, and the beginning of its
    answer. In a pipe or a file, prints a JSON line with all of it. With --from-beginning, what was
    dropped or rated again is there once, as it is now, or not at all. Standard error has what it
    waits for, and the ids of printed examples that are no longer accepted.

    Example: `backstream tail --newest 3`
    """
    from streams.cli import tailing
    from streams.data.exports import Shape

    if newest and (count or from_beginning):
        raise typer.BadParameter("not with -n or --from-beginning", param_hint="--newest")
    if as_json is None:
        as_json = not sys.stdout.isatty()
    named = shape or ("triples" if as_json else None)
    chosen = Shape(named) if named else None
    if newest:
        tailing.print_newest(settings, newest, chosen)
    else:
        tailing.tail(settings, count, from_beginning, chosen)
