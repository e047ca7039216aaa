"""``backstream page``: the live page of a stream."""

from typing import TYPE_CHECKING

import typer

from streams.cli.console import notice
from streams.cli.options import BROKER, with_settings

if TYPE_CHECKING:
    from streams.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(page)


@with_settings(*BROKER, "page.listen")
def page(settings: "Settings") -> None:
    """Serve the live page of a stream, for a browser.

    It shows what flows, and what was accepted and refused and why; people rate and decide on it.
    Outside of loopback, page.token must be set. `backstream up --page` serves it with the stream.

    Example: `backstream page --broker kafka:9092`
    """
    from streams.cli.connection import connected
    from streams.cli.login import login
    from streams.kafka.topics import DECISIONS, RATINGS
    from streams.page.web.serving import listening_on
    from streams.run.processes import run_page

    # Raises where it is taken, or needs a token: before a broker is started.
    with listening_on(settings.page.address, "--listen"):
        pass
    with connected(settings, RATINGS, DECISIONS) as settings:
        run_page(
            settings, None, lambda event: notice(f"the page is at {event['url']}"), person=login()
        )
