"""The command that writes the curated set to files, once or as it grows, or to the hub."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.cli.options import BROKER, Json, with_settings
from streams.cli.usage import WrongUsage

if TYPE_CHECKING:
    from streams.settings import Settings

ShapeName = Literal["triples", "alpaca", "chat", "sharegpt", "prompt_completion", "oasst", "dpo"]
OriginName = Literal["seed", "augmented"]
_FILTER = "Repeatable; one of them must match."
_ROWS, _SECONDS = 1000, 60
"""When a file of ``--follow`` is complete."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(export)


@with_settings(*BROKER)
def export(
    settings: "Settings",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write; .jsonl or .parquet. With --follow, the folder and the first part "
            "of the names.",
            show_default=False,
        ),
    ] = None,
    shape: Annotated[
        ShapeName,
        typer.Option(
            help="Columns of a row: triples, alpaca (instruction/input/output), chat (messages), "
            "sharegpt (conversations), prompt_completion, oasst: Open-Assistant's trees, or dpo: "
            "preference pairs (prompt/chosen/rejected). All have id, source and score."
        ),
    ] = "triples",
    min_score: Annotated[
        float | None,
        typer.Option(
            help="Lowest rating. What people wrote or decided to keep is not held to it.",
            min=1,
            max=5,
            show_default=False,
        ),
    ] = None,
    origin: Annotated[
        OriginName | None,
        typer.Option(help="seed: written by people; augmented: by models.", show_default=False),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(help=f"A glob of sources. {_FILTER}", show_default=False),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(help=f"A kind of task, as in column category. {_FILTER}", show_default=False),
    ] = None,
    language: Annotated[
        list[str] | None,
        typer.Option(help=f"A code of ISO 639, such as en. {_FILTER}", show_default=False),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="So many at most, drawn by hash.", min=1, show_default=False),
    ] = None,
    split: Annotated[
        float | None,
        typer.Option(
            help="Training share, such as 0.9: writes NAME.train and NAME.test. The examples of a "
            "document, passage or conversation are on one side.",
            min=0.01,
            max=0.99,
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of --limit and --split.", min=0)] = 0,
    with_evidence: Annotated[
        bool,
        typer.Option(
            "--with-evidence",
            help="Add the figures that each rating was made from; not for oasst and dpo.",
        ),
    ] = False,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            help="Follow a stream that runs, until Ctrl-C, with a new file for what comes. A "
            "restart resumes.",
        ),
    ] = False,
    rotate_rows: Annotated[
        int | None,
        typer.Option(
            help=f"With --follow: rows after which a file is complete. [default: {_ROWS}]",
            min=1,
            show_default=False,
        ),
    ] = None,
    rotate_seconds: Annotated[
        float | None,
        typer.Option(
            help=f"With --follow: seconds after which a file is complete. [default: {_SECONDS}]",
            min=0.1,
            show_default=False,
        ),
    ] = None,
    push: Annotated[
        str | None,
        typer.Option(
            metavar="ORG/NAME",
            help="Push the set to the Hugging Face hub, with the token in HF_TOKEN.",
            show_default=False,
        ),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public/--private", help="Of a data set that --push creates.")
    ] = False,
    license: Annotated[
        str | None,
        typer.Option(
            "--license",
            help="Licence for the card, as Hugging Face names it: cc-by-4.0.",
            show_default=False,
        ),
    ] = None,
    with_card: Annotated[
        bool, typer.Option("--card/--no-card", help="Write a dataset card beside the file.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Write the curated set to a file, with a dataset card.

    The file is for a training tool. The card of curated.jsonl is curated.card.md: a README.md for
    the Hugging Face hub. With --shape dpo, writes the preference pairs.

    Example: `backstream export -o curated.jsonl --shape chat --min-score 4.5 --split 0.9`
    """
    from streams.cli.exporting import Push, Request, export_on, export_once
    from streams.data.exports import Shape
    from streams.data.rotation import Follow
    from streams.data.selection import Selection, Split
    from streams.data.shards import SUFFIXES, Form

    if output is None and push is None:
        raise WrongUsage("name a file to write with --output, or a data set with --push")
    if output is not None and output.suffix not in SUFFIXES:
        raise typer.BadParameter(f"{output} must end in .jsonl or .parquet", param_hint="--output")
    if with_evidence and shape in ("oasst", "dpo"):
        raise typer.BadParameter(
            f"rows of the shape {shape} have no place for it", param_hint="--with-evidence"
        )
    if shape == "dpo" and (origin or category):
        raise typer.BadParameter(
            "preference pairs have neither: their answers are by models",
            param_hint="--origin and --category",
        )
    selection = Selection(
        min_score=min_score,
        origins=() if origin is None else (origin,),
        sources=tuple(source or ()),
        categories=tuple(category or ()),
        languages=tuple(language or ()),
        limit=limit,
        seed=seed,
    )
    division = None if split is None else Split(split, seed)
    form = Form(shape, with_evidence)
    only_once = {"--split": split, "--limit": limit, "--push": push}
    only_on = {"--rotate-rows": rotate_rows, "--rotate-seconds": rotate_seconds}
    for name, value in (only_once if follow else only_on).items():
        if value is not None:
            raise typer.BadParameter(
                "not with --follow" if follow else "only with --follow", param_hint=name
            )
    if not follow:
        target = None if push is None else Push(push, private=not public)
        request = Request(form, selection, division, output, target, license, with_card)
        export_once(settings, request, as_json)
        return
    if output is None or shape in ("oasst", "dpo"):
        raise typer.BadParameter(f"{shape} cannot be followed", param_hint="--shape")
    rows, seconds = rotate_rows or _ROWS, rotate_seconds or _SECONDS
    export_on(Follow(output, Shape(shape), with_evidence, selection, rows, seconds), settings)
