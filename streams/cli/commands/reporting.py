"""Commands that describe the curated set as a whole: report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.exit_codes import end
from streams.cli.options import BROKER, with_settings
from streams.quantities import as_count

if TYPE_CHECKING:
    from streams.settings import Settings


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command()(report)


@with_settings(*BROKER)
def report(
    settings: "Settings",
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A file that export wrote, JSON lines or Parquet, in place of a stream.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write; .html, or .json for the data.")
    ] = Path("report.html"),
    other: Annotated[
        Path | None,
        typer.Option("--compare", help="An earlier report, .html or .json.", show_default=False),
    ] = None,
    samples: Annotated[int, typer.Option("-n", help="Samples of each kind.", min=0, max=100)] = 5,
) -> None:
    """Write an HTML page about the curated set.

    It has what the stages refused and why, what the instructions ask for, sources, languages,
    lengths, novelty, ratings and their calibration, the nearest pairs, and samples. A file has no
    refusals, and nothing that people said. The exit code is 3 if a row of the file is no example.

    Example: `backstream report -o report.html --compare last-week.html`
    """
    from datetime import UTC, datetime

    from streams.cli.connection import connected
    from streams.cli.console import notice
    from streams.report.figures.comparing import compare, read_report
    from streams.report.figures.report import report_of
    from streams.report.gathering.exported import gather_exported
    from streams.report.gathering.topics import read_positions, read_topics
    from streams.report.writing import write_report

    if output.suffix not in (".html", ".json"):
        raise typer.BadParameter(f"{output} must end in .html or .json", param_hint="--output")
    if other is not None and output.suffix == ".json":
        raise typer.BadParameter(
            "a comparison is a part of the page: give -o a name that ends in .html",
            param_hint="--compare",
        )
    before, now, errors = read_report(other) if other else None, datetime.now(UTC), list[str]()
    if file is not None:
        gathered, errors = gather_exported(file)
        found = report_of(gathered, now, samples=samples)
    else:
        with connected(settings) as settings:
            cluster = settings.kafka.cluster()
            gathered = read_topics(cluster, settings.curation.threshold)
            found = report_of(
                gathered,
                now,
                samples=samples,
                positions=lambda segments: read_positions(cluster, segments),
            )
    write_report(found, output, compare(before, found) if before else None)
    for error in errors:
        notice(error)
    left_out = f"; {as_count(len(errors), 'row')} could not be read" if errors else ""
    print(f"{as_count(found.examples, 'example')}, described in {output}{left_out}")
    if errors:
        end(found.examples, len(errors))
