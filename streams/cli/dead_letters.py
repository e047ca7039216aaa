"""``backstream dead-letters``: look at what could not be processed, and send it back once the cause
is mended.
"""

import base64
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import SettingsError
from streams.cli.options import (
    Assignments,
    Broker,
    ConfigFile,
    Json,
    StateDir,
    connected,
    settings_from,
)
from streams.kafka.cluster import Cluster
from streams.kafka.dead_letters import (
    EXCEPTION,
    MESSAGE,
    OFFSET,
    PARTITION,
    STACKTRACE,
    STAGE,
    TOPIC,
    replay_all,
)
from streams.kafka.messages import Received
from streams.kafka.replay import replay
from streams.kafka.topics import DEAD_LETTERS

app = typer.Typer(help=__doc__, no_args_is_help=True)
Where = Annotated[str, typer.Argument(help="PARTITION@OFFSET as `list` prints it, or `all`.")]
OnlyStage = Annotated[
    str | None, typer.Option("--stage", help="Only of this stage.", show_default=False)
]


@app.command("list")
def list_letters(
    stage: OnlyStage = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
    as_json: Json = False,
) -> None:
    """List dead letters: where each lies, its stage, where it came from, and the error.

    Example: `backstream dead-letters list --stage scorer`
    """
    with _cluster(config, assignments, state_dir, broker) as cluster:
        for letter in _letters(cluster, stage):
            told = _told(letter)
            print(
                json.dumps(told)
                if as_json
                else "{at}  {stage}  from {source}  {exception}: {message}".format(**told)
            )


@app.command()
def show(
    at: Where,
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
) -> None:
    """Show one dead letter whole: headers, key and value (base64), stack trace. JSON.

    Example: `backstream dead-letters show 0@3`
    """
    with _cluster(config, assignments, state_dir, broker) as cluster:
        for letter in _letters(cluster, None):
            if f"{letter.partition}@{letter.offset}" == at:
                headers = dict(letter.headers)
                whole = {
                    **_told(letter),
                    "stacktrace": headers.get(STACKTRACE, b"").decode(errors="replace"),
                    "key": _base64(letter.key),
                    "value": _base64(letter.value),
                    "headers": {
                        name: value.decode(errors="replace")
                        for name, value in letter.headers
                        if name != STACKTRACE
                    },
                }
                print(json.dumps(whole, indent=2, ensure_ascii=False))
                return
    raise SettingsError(
        f"no dead letter at {at}; `backstream dead-letters list` shows where they lie"
    )


@app.command("replay")
def replay_letters(
    at: Where,
    stage: OnlyStage = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
) -> None:
    """Send dead letters back to the topics they came from, byte for byte. They stay on the
    dead-letter topic too.

    Example: `backstream dead-letters replay all --stage scorer`
    """
    with _cluster(config, assignments, state_dir, broker) as cluster:
        chosen = [x for x in _letters(cluster, stage) if at in ("all", f"{x.partition}@{x.offset}")]
        if not chosen:
            raise SettingsError(
                f"no dead letter at {at}; `backstream dead-letters list` shows where they lie"
            )
        replay_all(cluster, chosen)
    print(f"{len(chosen):,} sent back")


@contextlib.contextmanager
def _cluster(
    config: Path | None, assignments: list[str] | None, state_dir: Path | None, broker: str | None
) -> Iterator[Cluster]:
    """The cluster, for the length of a command."""
    with connected(
        settings_from(config, assignments, state_dir=state_dir, broker=broker)
    ) as settings:
        cluster = settings.kafka.cluster()
        yield cluster


def _letters(cluster: Cluster, stage: str | None) -> Iterator[Received]:
    for letter in replay(cluster, DEAD_LETTERS):
        if stage is None or dict(letter.headers).get(STAGE) == stage.encode():
            yield letter


def _told(letter: Received) -> dict[str, str]:
    headers = {name: value.decode(errors="replace") for name, value in letter.headers}
    return {
        "at": f"{letter.partition}@{letter.offset}",
        "stage": headers.get(STAGE, "?"),
        "source": f"{headers.get(TOPIC, '?')}/{headers.get(PARTITION, '?')}@{headers.get(OFFSET, '?')}",
        "exception": headers.get(EXCEPTION, "?").rsplit(".", 1)[-1],
        "message": headers.get(MESSAGE, ""),
    }


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()
