"""Options that several commands share, each declared once.

``with_settings`` gives a command ``--config``, ``--set`` and an option for each setting that it
names. The command receives the resulting settings as its first argument::

    @with_settings("state_dir", "broker")
    def audit(settings: "Settings", as_json: Json = False) -> None: ...
"""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from streams.cli.outputs import paths_in, refuse_overwriting

Command = Callable[..., None]
SettingName = Literal[
    "state_dir",
    "broker",
    "port",
    "model",
    "backward",
    "forward",
    "prompts",
    "device",
    "metrics_port",
    "intake.listen",
    "watch.metrics_port",
    "page.listen",
]

BROKER: tuple[SettingName, ...] = ("state_dir", "broker")
"""Settings that choose the Kafka to talk to."""
MODELS: tuple[SettingName, ...] = ("model", "backward", "forward", "prompts")
"""Settings that choose the model of each role, and its prompts."""
BASE: tuple[SettingName, ...] = ("model", "prompts")
"""Settings that choose the model that is trained."""

By = Annotated[
    str | None,
    typer.Option(
        envvar="BACKSTREAM_RATER",
        help="Your name beside what you decide and rate. [default: your login]",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def given(value: Any) -> Any:
    """Callback of an option or argument: refuse an empty one, as an unset variable leaves it.

    An empty path would mean the working directory.
    """
    if value == "" or (isinstance(value, list | tuple) and "" in value):
        raise typer.BadParameter("it is empty")
    return value


def _path(text: str) -> Path:
    return Path(given(text))


def _option(
    *names: str,
    help: str,
    metavar: str | None = None,
    parser: Callable[[str], Any] | None = None,
) -> Any:
    return typer.Option(
        *names, help=help, metavar=metavar, show_default=False, parser=parser, callback=given
    )


_CONFIG = Annotated[
    Path | None,
    _option("--config", "-c", metavar="PATH", parser=_path, help="A YAML settings file."),
]
_ASSIGNMENTS = Annotated[
    list[str] | None,
    _option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="Set any key, as in -s curation.threshold=4.5. May be repeated.",
    ),
]
_OPTIONS: dict[SettingName, Any] = {
    "state_dir": Annotated[
        Path | None,
        _option(
            metavar="PATH",
            parser=_path,
            help="Directory of the topics, logs, releases and dataset. [default: backstream-state]",
        ),
    ],
    "broker": Annotated[
        str | None,
        _option(metavar="HOST:PORT", help="A Kafka of your own. [default: the embedded one]"),
    ],
    "port": Annotated[
        int | None, _option(help="Port of the embedded broker. [default: a free one]")
    ],
    "model": Annotated[
        str | None,
        _option(
            help="house, a checkpoint or release directory, or a Hugging Face id. [default: house]"
        ),
    ],
    "backward": Annotated[
        str | None,
        _option(
            help="Another model that writes the instructions, or openai:MODEL@http://HOST:PORT/v1. "
            "[default: --model]"
        ),
    ],
    "forward": Annotated[
        str | None,
        _option(help="Another model that rates, or its address likewise. [default: --model]"),
    ],
    "prompts": Annotated[
        Path | None,
        _option(
            metavar="PATH",
            parser=_path,
            help="A YAML file of prompts of your own. [default: the project's]",
        ),
    ],
    "device": Annotated[str | None, _option(help="auto, cpu or cuda. [default: auto]")],
    "metrics_port": Annotated[
        int | None, _option(help="Serve /metrics, /live and /ready on this port. [default: none]")
    ],
    "watch.metrics_port": Annotated[
        int | None, _option(help="Serve /metrics, /live and /ready on this port. [default: none]")
    ],
    "intake.listen": Annotated[
        str | None,
        _option(
            "--listen",
            metavar="[HOST]:PORT",
            help="Where to listen; :PORT for all interfaces. [default: 127.0.0.1:8080]",
        ),
    ],
    "page.listen": Annotated[
        str | None,
        _option(
            "--listen",
            metavar="[HOST]:PORT",
            help="Where to listen; outside of loopback with a token. [default: 127.0.0.1:8765]",
        ),
    ],
}


def _parameter(name: SettingName) -> str:
    """The name of a setting's parameter, without that of its section."""
    return name.rpartition(".")[2]


def with_settings(*names: SettingName) -> Callable[[Command], Command]:
    """Return a decorator that adds the options to a command, and passes it the settings.

    The flags override the other sources of settings. A command with the parameter ``origins`` gets
    what each source states too. Raises SettingsError for a value that is not valid, and
    typer.BadParameter where the parameter ``output`` is a file that the command or the settings
    read.
    """
    shared = {"config": _CONFIG, "assignments": _ASSIGNMENTS}
    shared |= {_parameter(name): _OPTIONS[name] for name in names}

    def decorate(command: Command) -> Command:
        @functools.wraps(command, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
        def run(*, config: Path | None, assignments: list[str] | None, **given: Any) -> None:
            # Not for --help: it imports pydantic.
            from streams.settings.sources import load_with_layers

            flags: dict[str, Any] = {}
            for name in names:
                section, _, key = name.rpartition(".")
                value = given.pop(_parameter(name))
                if not section:
                    flags[name] = value
                elif value is not None:
                    flags.setdefault(section, {})[key] = value
            settings, layers = load_with_layers(config, flags, tuple(assignments or ()))
            output = given.get("output")
            if isinstance(output, Path):
                named = {name: value for name, value in given.items() if name != "output"}
                read = (config, named, settings.model_dump())
                refuse_overwriting(output, paths_in(read))
            command(settings, **given, **({"origins": layers} if wants_origins else {}))

        _, *own = inspect.signature(command).parameters.values()
        wants_origins = any(parameter.name == "origins" for parameter in own)
        own = [parameter for parameter in own if parameter.name != "origins"]
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
            for name, option in shared.items()
        ]
        run.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
        return run

    return decorate
