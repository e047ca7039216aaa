"""``backstream dead-letters``: look at what could not be processed, and send it back."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import SettingsError
from streams.cli.console import notice, printable
from streams.cli.exit_codes import end
from streams.cli.options import BROKER, Json, with_settings

if TYPE_CHECKING:
    from streams.settings import Settings

app = typer.Typer(
    help="Look at what could not be processed, and send it back.", no_args_is_help=True
)

_NAMED = 20
"""Most letters that are named as left out, without ``--json``."""
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
    from streams.observe.letters import read_letters, summary

    with connected(settings) as settings:
        letters = 0
        for letter in read_letters(settings.kafka.cluster(), stage):
            letters += 1
            found = summary(letter)
            line = "{at}  {stage}  from {source}  {exception}: {message}".format(**found)
            print(json.dumps(found) if as_json else printable(line))
    if not letters:
        notice(f"there are no dead letters{f' of stage {stage}' if stage else ''}")


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
    from streams.observe.letters import details, find_letter

    with connected(settings) as settings:
        letter = find_letter(settings.kafka.cluster(), at)
    print(json.dumps(details(letter), indent=2, ensure_ascii=False))


@app.command()
@with_settings(*BROKER)
def replay(
    settings: "Settings",
    at: Annotated[str, typer.Argument(help="PARTITION@OFFSET as `list` prints it, or `all`.")],
    stage: OnlyStage = None,
    as_json: Json = False,
) -> None:
    """Send dead letters back to their topics, byte for byte.

    They stay on the dead-letter topic too. A letter that cannot be sent back is left out, and named
    with the reason. The exit code is 3 if one is left out.

    Example: `backstream dead-letters replay all --stage scorer`
    """
    from streams.cli.connection import connected
    from streams.kafka.writing.sending_back import send_back
    from streams.observe.letters import find_letter, read_letters
    from streams.stages.topology import STAGES

    with connected(settings) as settings:
        cluster = settings.kafka.cluster()
        letters = read_letters(cluster, stage) if at == "all" else [find_letter(cluster, at, stage)]
        outcome = send_back(cluster, letters, [spec.source for spec in STAGES])
    if not outcome.sent and not outcome.left_out:
        raise SettingsError(
            "there are no dead letters to send back; `backstream dead-letters list` shows them"
        )
    if as_json:
        left_out = [letter._asdict() for letter in outcome.left_out]
        print(json.dumps({"sent": outcome.sent, "left_out": left_out}))
    else:
        for letter in outcome.left_out[:_NAMED]:
            notice(f"{letter.at} left out: {printable(letter.reason)}")
        if more := len(outcome.left_out[_NAMED:]):
            notice(f"and {more:,} more left out; --json names them all")
        remaining = f", {len(outcome.left_out):,} left out" if outcome.left_out else ""
        print(f"{outcome.sent:,} sent back{remaining}")
    end(outcome.sent, len(outcome.left_out))
