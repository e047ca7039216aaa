"""``backstream releases``: which models were trained, how they compare, and which is in service."""

import json
from pathlib import Path
from typing import Annotated

import typer

from models.catalogue import default_cache, prepare
from models.release import REPORT, read_manifest
from schemas.records import Release
from streams.cli.options import Assignments, Broker, ConfigFile, Json, Model, StateDir, connected, say, settings_from
from streams.releases import find, read_releases, roll_back
from streams.releases import promote as put_into_service

app = typer.Typer(help=__doc__, no_args_is_help=True)


@app.command("list")
def list_releases(
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
    as_json: Json = False,
) -> None:
    """List releases, the last announced one last; of those in service that one serves.

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
    """Show one release: held-out figures beside its parent's, the intervals of their changes, why it took service or not.

    Example: `backstream releases show r-1a2b3c4d`
    """
    release = find(_read(config, assignments, state_dir, broker), id)
    print(json.dumps(release.model_dump(mode="json"), indent=2) if as_json else describe_release(release))


@app.command()
def compare(
    one: Annotated[str, typer.Argument(help="Id of a release.")],
    other: Annotated[str, typer.Argument(help="Id of another.")],
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
) -> None:
    """Show the held-out figures of two releases side by side. They are of the same pairs only where the seeds were the same.

    Example: `backstream releases compare r-1a2b3c4d r-5e6f7a8b`
    """
    releases = _read(config, assignments, state_dir, broker)
    first, second = find(releases, one), find(releases, other)
    print(f"{'held-out figure':22} {first.id:>14} {second.id:>14}")
    for name in sorted(first.metrics.keys() & second.metrics.keys()):
        print(f"{name:22} {first.metrics[name]:>14.3f} {second.metrics[name]:>14.3f}")


@app.command()
def promote(
    id: Annotated[str, typer.Argument(help="Id of a release.")],
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
) -> None:
    """Put a release into service, whatever its figures; every worker changes to it within seconds.

    Example: `backstream releases promote r-1a2b3c4d`
    """
    with connected(settings_from(config, assignments, state_dir=state_dir, broker=broker)) as settings:
        release = put_into_service(settings.kafka.client(), id)
    print(f"{release.id} is in service for {release.base}")


@app.command()
def rollback(
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
    model: Model = None,
) -> None:
    """Take the release in service out of it; the one before it serves again, or the base.

    Example: `backstream releases rollback`
    """
    settings = settings_from(config, assignments, state_dir=state_dir, broker=broker, model=model)
    base = read_manifest(prepare(settings.model, default_cache(), progress=say)).id
    with connected(settings) as settings:
        taken_out, serving = roll_back(settings.kafka.client(), base)
    print(f"{taken_out.id} is out of service; {serving.id} serves")


def describe_release(release: Release) -> str:
    """A release in a few lines: its held-out figures beside its parent's, how far chance moves the change, the verdict."""
    lines = [f"release {release.id} ({release.status}), trained from {release.base} on {release.examples:,} examples"]
    lines[0] += f" curated under {release.parent} and {release.seeds:,} seeds"
    lines.append(f"  {'held-out figure':22} {'release':>9} {'parent':>9} {'change':>9}  95% interval")
    for name, value in sorted(release.metrics.items()):
        lines.append(f"  {name:22} {value:>9.3f} {release.parent_metrics.get(name, float('nan')):>9.3f}{_change(release, name)}")
    if "nll" in release.intervals:
        lines.append(f"  {'nll (mean of both)':22} {'':19}{_change(release, 'nll')}")
    if release.reason:
        lines.append(f"  when it was trained: {release.reason}")
    lines.append(f"  in {release.location}")
    if (report := Path(release.location) / REPORT).is_file():
        lines.append(f"  report in {report}")
    return "\n".join(lines)


def _change(release: Release, name: str) -> str:
    if name not in release.intervals:
        return ""
    change, low, high = release.intervals[name]
    return f" {change:>+9.3f}  {low:+.3f} to {high:+.3f}"


def _read(config: ConfigFile, assignments: Assignments, state_dir: StateDir, broker: Broker) -> list[Release]:
    with connected(settings_from(config, assignments, state_dir=state_dir, broker=broker)) as settings:
        client = settings.kafka.client()
        return read_releases(client)
