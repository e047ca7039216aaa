"""Commands that take documents in for as long as the stream runs: intake, watch."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import SettingsError
from streams.cli.commands.data import Exclude, Format, Include, TextColumn
from streams.cli.console import print_event
from streams.cli.exit_codes import end
from streams.cli.options import BROKER, given, with_settings

if TYPE_CHECKING:
    from streams.settings import Settings


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    for command in (intake, watch):
        app.command()(command)


@with_settings(*BROKER, "intake.listen")
def intake(settings: "Settings") -> None:
    """Accept documents by HTTP: POST /documents.

    A request is answered with 202 when the broker has acknowledged its documents. Prints its
    address as a JSON line. /live, /ready and /metrics are on the same port.

    Example: `backstream intake --listen 127.0.0.1:8080`
    """
    from streams.cli.connection import connected
    from streams.kafka.topics import DOCUMENTS
    from streams.run.processes import run_intake

    _ = settings.intake.address  # Before a broker is started for it.
    with connected(settings, DOCUMENTS, create_state=True) as settings:
        run_intake(settings, print_event)


@with_settings(*BROKER, "watch.metrics_port")
def watch(
    settings: "Settings",
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Directories, addresses such as s3://bucket/folder, feeds (http).", callback=given
        ),
    ] = None,
    format: Format = None,
    text_column: TextColumn = None,
    include: Include = None,
    exclude: Exclude = None,
    once: Annotated[bool, typer.Option("--once", help="Feed what is new now, and end.")] = False,
) -> None:
    """Feed what is new in directories, stores and feeds.

    Files are fed when they appear and when they change, entries of RSS and Atom feeds when they are
    new, each document once. What was fed is kept in the state directory, so that a later start goes
    on there. Prints a JSON line for what was fed. With --once, the exit code is 3 if something
    could not be read.

    Example: `backstream watch inbox/ s3://bucket/pages https://example.org/feed.xml`
    """
    from streams.cli.connection import connected
    from streams.data.sources import Choice, Columns
    from streams.intake.watch.opening import Reading, source_of
    from streams.kafka.topics import DOCUMENTS
    from streams.run.processes import run_watch

    names = sources or settings.watch.sources
    if not names:
        raise SettingsError("nothing to watch: name a source, or set watch.sources")
    columns = Columns() if text_column is None else replace(Columns(), text=(text_column,))
    reading = Reading(Choice(include or (), exclude or ()), format, columns)
    for name in names:  # Before a broker is started for them.
        source_of(name, settings, reading)
    with connected(settings, DOCUMENTS, create_state=True) as settings:
        fed, refused = run_watch(settings, names, reading, print_event, once=once)
    if once and refused:
        end(fed, refused)
