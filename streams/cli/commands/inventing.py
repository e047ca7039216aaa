"""The command that asks for new instructions: invent."""

from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import BROKER, Json, with_settings

if TYPE_CHECKING:
    from streams.settings import Settings


def register(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command()(invent)


@with_settings(*BROKER)
def invent(
    settings: "Settings",
    count: Annotated[int, typer.Argument(metavar="N", help="How many to ask for.", min=1)],
    seed: Annotated[int, typer.Option(help="Another number draws other exemplars.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Ask for N new instructions, made up after exemplars.

    Six exemplars are human pairs: those on the training topic, or the project's where they are
    fewer than eight; two are examples that were curated, once there are some. The inventor writes
    an instruction and up to five examples of it, which are rated and curated like others. The same
    call again changes nothing while the exemplars are the same: give another --seed for more.

    Example: `backstream invent 200`
    """
    from streams.cli.connection import connected
    from streams.cli.console import notice
    from streams.cli.reports import finish
    from streams.data import feed as feeding
    from streams.data.bootstraps import draw_from
    from streams.data.tally import Tally
    from streams.kafka.topics import BOOTSTRAPS, CURATED

    with connected(settings, BOOTSTRAPS, CURATED, create_state=True) as settings:
        cluster = settings.kafka.cluster()
        report = feeding.invent(cluster, draw_from(cluster, count, seed))
    if report.written and not as_json:
        notice(
            "the workers of `backstream up` or `backstream worker` take them up: `backstream "
            "status` counts what the inventor has done, `backstream tail` prints what is accepted, "
            "and `backstream audit` says what became of each"
        )
    finish(report, Tally(), "request for instructions", as_json)
