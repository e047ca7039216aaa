"""Commands on the curation: curate."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import BROKER, Json, with_settings
from streams.cli.usage import WrongUsage

if TYPE_CHECKING:
    from streams.settings import Settings


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command()(curate)


@with_settings(*BROKER)
def curate(
    settings: "Settings",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Write nothing. Required: workers curate by themselves."),
    ] = False,
    count: Annotated[
        int, typer.Option("-n", help="How many examples to print of each change.", min=0)
    ] = 3,
    as_json: Json = False,
) -> None:
    """Show what other curation settings would keep.

    Reads the topics and needs no model. Counts the pairs by the rule that refused them, and by the
    rule that would refuse them with the settings that are given here.

    Example: `backstream curate --dry-run -s curation.threshold=4.5`
    """
    from streams.cli.connection import connected
    from streams.cli.curation_report import as_text
    from streams.observe.dry_run import dry_run as compare

    if not dry_run:
        raise WrongUsage(
            "add --dry-run: workers curate new ratings by themselves, with the settings that they "
            "are started with"
        )
    with connected(settings) as settings:
        found = compare(
            settings.kafka.cluster(), settings.curation, rewriting=settings.rewriting.enabled
        )
    print(json.dumps(asdict(found), ensure_ascii=False) if as_json else as_text(found, count))
