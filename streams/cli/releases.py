"""``backstream releases``: which models were trained, how they compare, and which is in service."""

import json
from typing import Annotated

import typer

from models.releases.catalogue import default_cache, prepare
from models.releases.release import read_manifest
from schemas.records import Release
from streams.cli.options import (
    Assignments,
    Broker,
    ConfigFile,
    Json,
    Model,
    StateDir,
    connected,
    say,
    settings_from,
)
from streams.releases.announcements import find, read_releases, roll_back
from streams.releases.announcements import promote as put_into_service
from streams.releases.describe import describe_release

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
    """Show one release: held-out figures beside its parent's, the intervals of their changes, why
    it took service or not.

    Example: `backstream releases show r-1a2b3c4d`
    """
    release = find(_read(config, assignments, state_dir, broker), id)
    print(
        json.dumps(release.model_dump(mode="json"), indent=2)
        if as_json
        else describe_release(release)
    )


@app.command()
def compare(
    one: Annotated[str, typer.Argument(help="Id of a release.")],
    other: Annotated[str, typer.Argument(help="Id of another.")],
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
) -> None:
    """Show the held-out figures of two releases side by side. They are of the same pairs only where
    the seeds were the same.

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
    with connected(
        settings_from(config, assignments, state_dir=state_dir, broker=broker)
    ) as settings:
        release = put_into_service(settings.kafka.cluster(), id)
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
        taken_out, serving = roll_back(settings.kafka.cluster(), base)
    print(f"{taken_out.id} is out of service; {serving.id} serves")


def _read(
    config: ConfigFile, assignments: Assignments, state_dir: StateDir, broker: Broker
) -> list[Release]:
    with connected(
        settings_from(config, assignments, state_dir=state_dir, broker=broker)
    ) as settings:
        cluster = settings.kafka.cluster()
        return read_releases(cluster)
