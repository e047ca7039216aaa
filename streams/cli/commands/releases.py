"""``backstream releases``: which models were trained, how they compare, which one is in service."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import BROKER, Json, with_settings

if TYPE_CHECKING:
    from schemas.records import Release
    from streams.settings import Settings

app = typer.Typer(
    help="Show, compare, promote and roll back trained models.",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(help="Id of a release.")]


@app.command("list")
@with_settings(*BROKER)
def list_releases(settings: "Settings", as_json: Json = False) -> None:
    """List the releases, the latest announcement last.

    Of the releases in service, the last one serves.

    Example: `backstream releases list`
    """
    for release in _read(settings):
        if as_json:
            print(release.model_dump_json())
        else:
            examples = f"{release.examples:,} examples and {release.seeds:,} seeds"
            print(f"{release.id}  {release.status}  parent {release.parent}  {examples}")


@app.command()
@with_settings(*BROKER)
def show(settings: "Settings", id: Id, as_json: Json = False) -> None:
    """Show one release: its metrics and the gate's verdict.

    The held-out metrics stand beside its parent's, with the bootstrap intervals of their changes.
    The verdict is that of the promotion gate.

    Example: `backstream releases show r-1a2b3c4d`
    """
    from streams.releases.announcements import find
    from streams.releases.describe import describe_release

    release = find(_read(settings), id)
    if as_json:
        print(json.dumps(release.model_dump(mode="json"), indent=2))
    else:
        print(describe_release(release))


@app.command()
@with_settings(*BROKER)
def compare(
    settings: "Settings",
    one: Id,
    other: Annotated[str, typer.Argument(help="Id of another release.")],
) -> None:
    """Show the held-out metrics of two releases side by side.

    They were measured on the same pairs only if the seeds were the same.

    Example: `backstream releases compare r-1a2b3c4d r-5e6f7a8b`
    """
    from streams.releases.announcements import find

    releases = _read(settings)
    first, second = find(releases, one), find(releases, other)
    print(f"{'held-out metric':22} {first.id:>14} {second.id:>14}")
    for name in sorted(first.metrics.keys() & second.metrics.keys()):
        print(f"{name:22} {first.metrics[name]:>14.3f} {second.metrics[name]:>14.3f}")


@app.command()
@with_settings(*BROKER)
def promote(settings: "Settings", id: Id) -> None:
    """Put a release into service, whatever its metrics.

    Every worker changes to it within seconds.

    Example: `backstream releases promote r-1a2b3c4d`
    """
    from streams.cli.connection import connected
    from streams.releases import announcements

    with connected(settings) as settings:
        release = announcements.promote(settings.kafka.cluster(), id)
    print(f"{release.id} is in service for {release.base}")


@app.command()
@with_settings(*BROKER, "model")
def rollback(settings: "Settings") -> None:
    """Take the release in service out of service.

    The release before it serves again, or the base.

    Example: `backstream releases rollback`
    """
    from models.releases.release import read_manifest
    from streams.cli.connection import connected
    from streams.cli.prepare import prepare
    from streams.releases.announcements import roll_back

    with connected(settings) as settings:
        base = read_manifest(prepare(settings.model)).id
        removed, serving = roll_back(settings.kafka.cluster(), base)
    print(f"{removed.id} is out of service; {serving.id} serves")


def _read(settings: "Settings") -> list["Release"]:
    from streams.cli.connection import connected
    from streams.releases.announcements import read_releases

    with connected(settings) as settings:
        return read_releases(settings.kafka.cluster())
