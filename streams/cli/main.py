"""The entry point: the application and its exit codes."""

import gc
import logging
import sys
from typing import Annotated

import typer

from schemas.errors import BackstreamError
from streams.cli.commands import (
    asking,
    config,
    curation,
    data,
    dead_letters,
    deciding,
    export,
    inspection,
    intake,
    inventing,
    models,
    offline,
    page,
    prompts,
    rating,
    releases,
    reporting,
    reviewing,
    running,
)
from streams.cli.usage import Commands
from streams.logs import configure_logging

_YOUNG_OBJECTS = 50_000
"""After how many new objects Python looks for garbage. Its own 700 take 5% of the time of a short
command, which imports much and discards little.
"""

app = typer.Typer(
    name="backstream",
    cls=Commands,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # Plain help: rich takes 0.2 s to import.
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (
    running,
    data,
    export,
    inventing,
    asking,
    intake,
    offline,
    curation,
    rating,
    reporting,
    page,
    deciding,
    inspection,
):
    group.register(app)
app.add_typer(config.app, name="config")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(models.app, name="models")
app.add_typer(prompts.app, name="prompts")
app.add_typer(releases.app, name="releases")
app.add_typer(reviewing.app, name="review")


@app.callback()
def configure(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log more, to standard error.")
    ] = False,
) -> None:
    """Turns live text into instruction-tuning data, and into better models.

    Where no Kafka runs on the state directory, status, tail and export --follow say what to start,
    and the other commands that need one start it for as long as they run.
    """
    configure_logging(logging.INFO if verbose else logging.WARNING)


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 partly done, 130 interrupted.
    """
    gc.set_threshold(_YOUNG_OBJECTS)
    try:
        app()
    except (BackstreamError, OSError) as error:
        # An OSError is also the user's to mend, as for a full disk: a line, not a traceback.
        typer.echo(f"backstream: {error}", err=True)
        sys.exit(1)
