"""``backstream releases``: which models were trained, how they compare, and which is in service."""

import json
from typing import Annotated

import typer

from schemas.errors import SettingsError
from schemas.records import Release
from streams.cli.options import Assignments, Broker, ConfigFile, Json, StateDir, connected, settings_from
from streams.releases import read_releases

app = typer.Typer(help=__doc__, no_args_is_help=True)


@app.command("list")
def list_releases(
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
    as_json: Json = False,
) -> None:
    """List releases, oldest first.

    Example: `backstream releases list`
    """
    for release in _read(config, assignments, state_dir, broker):
        if as_json:
            print(release.model_dump_json())
        else:
            trained_on = f"{release.examples:,} examples and {release.seeds:,} seeds"
            print(f"{release.id}  {release.status}  parent {release.parent}  {trained_on}")


@app.command()
def show(
    id: Annotated[str, typer.Argument(help="Id of a release.")],
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
    as_json: Json = False,
) -> None:
    """Show one release: held-out figures beside its parent's.

    Example: `backstream releases show r-1a2b3c4d`
    """
    release = next((r for r in _read(config, assignments, state_dir, broker) if r.id == id), None)
    if release is None:
        raise SettingsError(f"no release {id}; `backstream releases list` shows them")
    print(json.dumps(release.model_dump(mode="json"), indent=2) if as_json else describe_release(release))


def describe_release(release: Release) -> str:
    """A release in a few lines, its held-out figures beside its parent's."""
    lines = [f"release {release.id} ({release.status}), trained from {release.base} on {release.examples:,} examples"]
    lines[0] += f" curated under {release.parent} and {release.seeds:,} seeds"
    lines.append(f"  {'held-out figure':22} {'release':>9} {'parent':>9}")
    for name, value in sorted(release.metrics.items()):
        lines.append(f"  {name:22} {value:>9.3f} {release.parent_metrics.get(name, float('nan')):>9.3f}")
    lines.append(f"  in {release.location}")
    return "\n".join(lines)


def _read(config: ConfigFile, assignments: Assignments, state_dir: StateDir, broker: Broker) -> list[Release]:
    with connected(settings_from(config, assignments, state_dir=state_dir, broker=broker)) as settings:
        client = settings.kafka.client()
        return read_releases(client)
