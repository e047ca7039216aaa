"""``backstream dead-letters``: look at what could not be processed, and send it back."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import SettingsError
from streams.cli.console import notice
from streams.cli.options import BROKER, Json, with_settings

if TYPE_CHECKING:
    from streams.settings import Settings

app = typer.Typer(
    help="Look at what could not be processed, and send it back.", no_args_is_help=True
)

OnlyStage = Annotated[
    str | None, typer.Option("--stage", help="Only of this stage.", show_default=False)
]


@app.command("list")
@with_settings(*BROKER)
def list_letters(settings: "Settings", stage: OnlyStage = None, as_json: Json = False) -> None:
    """List dead letters: position, stage, origin and error of each.

    Example: `backstream dead-letters list --stage scorer`
    """
    from streams.cli.connection import connected
    from streams.cli.letters import read_letters, summary

    with connected(settings) as settings:
        for letter in read_letters(settings.kafka.cluster(), stage):
            found = summary(letter)
            print(
                json.dumps(found)
                if as_json
                else "{at}  {stage}  from {source}  {exception}: {message}".format(**found)
            )


@app.command()
@with_settings(*BROKER)
def show(
    settings: "Settings",
    at: Annotated[str, typer.Argument(help="PARTITION@OFFSET as `list` prints it.")],
) -> None:
    """Show one dead letter as JSON.

    The headers, the key and value (base64), and the stack trace.

    Example: `backstream dead-letters show 0@3`
    """
    from streams.cli.connection import connected
    from streams.cli.letters import details, find_letter

    with connected(settings) as settings:
        letter = find_letter(settings.kafka.cluster(), at)
    print(json.dumps(details(letter), indent=2, ensure_ascii=False))


@app.command()
@with_settings(*BROKER)
def replay(
    settings: "Settings",
    at: Annotated[str, typer.Argument(help="PARTITION@OFFSET as `list` prints it, or `all`.")],
    stage: OnlyStage = None,
) -> None:
    """Send dead letters back to their topics, byte for byte.

    They stay on the dead-letter topic too.

    Example: `backstream dead-letters replay all --stage scorer`
    """
    from streams.cli.connection import connected
    from streams.cli.letters import find_letter, read_letters
    from streams.kafka.dead_letters import replay_all

    with connected(settings) as settings:
        cluster = settings.kafka.cluster()
        if at == "all":
            letters = list(read_letters(cluster, stage))
        else:
            letters = [find_letter(cluster, at, stage)]
        if not letters:
            raise SettingsError(
                "there are no dead letters to send back; `backstream dead-letters list` shows them"
            )
        sent = replay_all(cluster, letters)
    if left := len(letters) - sent:
        notice(f"{left:,} left out: their headers name no topic of this deployment to send them to")
    print(f"{sent:,} sent back")
    if not sent:
        raise typer.Exit(1)
