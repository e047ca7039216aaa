"""Commands about the settings themselves: config show."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from streams.cli.options import Json, SettingName, with_settings

if TYPE_CHECKING:
    from streams.settings import Settings
    from streams.settings.origins import Layer, Setting

_OTHERS = ("watch.metrics_port", "page.listen")
"""Settings whose options have the names of others: those of ``metrics_port``, ``intake.listen``."""

app = typer.Typer(no_args_is_help=True, help="Show the settings that a command would use.")


@app.command()
@with_settings(*(name for name in get_args(SettingName) if name not in _OTHERS))
def show(
    settings: "Settings",
    origins: "list[Layer]",
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value is from.")] = False,
    changed: Annotated[
        bool, typer.Option("--changed", help="Leave out what has its default value.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show every setting as YAML, which is a settings file.

    Secrets are starred out. Give the options that you would give to the other command.

    Example: `backstream config show --origin --changed -c backstream.yaml`
    """
    from streams.settings.origins import DEFAULT, values_of

    found = values_of(settings, origins)
    if changed:
        found = [one for one in found if one.origin != DEFAULT]
    print(json.dumps([asdict(one) for one in found]) if as_json else _as_yaml(found, origin))


def _as_yaml(found: "list[Setting]", origin: bool) -> str:
    lines: list[str] = []
    stated: tuple[str, ...] = ()
    for one in found:
        *sections, name = one.key.split(".")
        for depth, section in enumerate(sections):
            if stated[: depth + 1] != tuple(sections[: depth + 1]):
                lines.append(f"{'  ' * depth}{section}:")
        stated = tuple(sections)
        # JSON is YAML, on one line whatever the value.
        line = f"{'  ' * len(sections)}{name}: {json.dumps(one.value, ensure_ascii=False)}"
        lines.append(f"{line}  # {one.origin}" if origin else line)
    return "\n".join(lines) or "{}  # every setting has its default value"
