"""``backstream``: turns live text into instruction-tuning data, and into better models."""

import logging
import sys
import warnings
from typing import Annotated

import click
import typer

from schemas.errors import BackstreamError
from streams.cli import data, dead_letters, inspection, releases, running

app = typer.Typer(
    name="backstream",
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
running.register(app)
data.register(app)
inspection.register(app)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(releases.app, name="releases")


@app.callback()
def configure(verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more, to standard error.")] = False) -> None:
    """Turns live text into instruction-tuning data, and into better models."""
    warnings.simplefilter("ignore")
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    if not verbose:  # the clients report each hiccup of a starting broker as an error; our own errors say what matters
        for noisy in ("aiokafka", "kafka", "faust", "mode"):
            logging.getLogger(noisy).setLevel(logging.CRITICAL)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    try:
        app(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BackstreamError as error:
        typer.echo(f"backstream: {error}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        typer.echo("backstream: interrupted", err=True)
        sys.exit(130)
    except OSError as error:  # a full disk, a vanished directory: no traceback as a user interface
        typer.echo(f"backstream: {error}", err=True)
        sys.exit(1)
