"""``backstream rate``: people rate pairs on the scale that the models are given."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.console import notice
from streams.cli.options import BROKER, By, with_settings

if TYPE_CHECKING:
    from streams.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(rate)


@with_settings(*BROKER)
def rate(
    settings: "Settings",
    count: Annotated[int, typer.Option("-n", help="How many pairs.", min=1)] = 20,
    by: By = None,
) -> None:
    """Rate pairs from 1 to 5 by hand. The models' ratings are measured against these.

    Shows pairs that nobody has rated yet, from the whole scale of the models' ratings. The broker
    acknowledges each answer before the next pair is shown. The models' ratings are printed at the
    end, so that they influence nobody. A skipped pair comes again in a later session. Without a
    terminal, answers are read from standard input, one on each line.

    A rating below `curation.threshold` also drops the pair, any other accepts it: neither is
    changed by what a model rates later (`backstream undo`).

    Example: `backstream rate -n 50 --by ada`
    """
    from streams.cli.connection import connected
    from streams.cli.login import login
    from streams.cli.rating_session import ask_about, print_report, read_keys, read_lines
    from streams.data.decisions import open_decisions
    from streams.data.judging import Judging
    from streams.data.ratings import open_ratings, pairs_to_rate
    from streams.kafka.topics import DECISIONS, RATINGS

    threshold = settings.curation.threshold
    with connected(settings, RATINGS, DECISIONS) as settings:
        cluster = settings.kafka.cluster()
        pairs = pairs_to_rate(cluster, count)
        if not pairs:
            notice("there is nothing to rate: no pair is scored yet, or all pairs have a rating")
            raise typer.Exit(1)
        answers = read_keys() if sys.stdin.isatty() else read_lines()
        with open_ratings(cluster) as ratings, open_decisions(cluster) as decisions:
            judging = Judging(ratings, decisions, threshold)
            given = ask_about(pairs, judging, login() if by is None else by, answers)
    print_report(pairs, given, threshold)
