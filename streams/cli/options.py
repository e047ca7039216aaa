"""Options that many commands share, and settings made from them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from models.releases.catalogue import default_cache, prepare
from streams.kafka.broker import broker_address
from streams.kafka.creation import create_topics
from streams.settings import Role, Settings, load

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="A YAML settings file.", show_default=False)
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        help="Set one key, as in -s curation.threshold=4.5. May be repeated.",
        show_default=False,
    ),
]
StateDir = Annotated[
    Path | None,
    typer.Option(
        help="Topics, logs, releases and the dataset. [default: backstream-state]",
        show_default=False,
    ),
]
Broker = Annotated[
    str | None,
    typer.Option(
        help="host:port of a Kafka of your own. Without it, the embedded one.", show_default=False
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="house, a checkpoint or release directory, or a Hugging Face id. [default: house]",
        show_default=False,
    ),
]
Backward = Annotated[
    str | None,
    typer.Option(
        help="Another model that writes the instructions. [default: --model]", show_default=False
    ),
]
Forward = Annotated[
    str | None,
    typer.Option(help="Another model that rates. [default: --model]", show_default=False),
]
Device = Annotated[
    str | None, typer.Option(help="auto, cpu or cuda. [default: auto]", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def settings_from(config: Path | None, assignments: list[str] | None, **flags: Any) -> Settings:
    """Settings by the usual order: flags, --set, environment, file, defaults. Raises
    SettingsError.
    """
    return load(config, flags, tuple(assignments or ()))


@contextmanager
def connected(settings: Settings) -> Iterator[Settings]:
    """Settings that talk to a broker with our topics on it: the one given, the one that runs, or
    one of our own meanwhile.
    """
    with broker_address(settings.given_broker, settings.broker_dir, settings.port, say) as address:
        settings = settings.with_broker(address)
        create_topics(settings.kafka.cluster(), settings.kafka.replication_factor)
        yield settings


def prepare_models(settings: Settings) -> Path:
    """Directory of the model that the settings name; it and those pinned to a role are exported now
    if they never were.
    """
    for role in Role:
        if pinned := settings.pinned(role):
            prepare(pinned, default_cache(), progress=say)
    return prepare(settings.model, default_cache(), progress=say)


def say(line: str) -> None:
    """A line about what goes on, apart from what the command was asked to print."""
    typer.echo(line, err=True)
