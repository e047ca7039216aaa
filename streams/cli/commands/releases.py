"""``backstream releases``: which models were trained, how they compare, which one is deployed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import SettingsError
from streams.cli.options import BASE, BROKER, Json, with_settings
from streams.quantities import as_count

if TYPE_CHECKING:
    from schemas.release import Release
    from streams.settings import Settings

app = typer.Typer(
    help="Show, compare, promote and roll back trained models.",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(help="Id of a release.")]


@app.command("list")
@with_settings(*BROKER, *BASE)
def list_releases(settings: "Settings", as_json: Json = False) -> None:
    """List the releases, the latest announcement last.

    Of the deployed releases, the last one of the model serves. A release that was trained from
    another model, from one with other prompts, or from one that another version has exported, is
    marked: it is passed over.

    Example: `backstream releases list`
    """
    from streams.cli.console import notice
    from streams.releases.serving import other_base

    releases = _read(settings)
    if not releases:
        notice("there is no release yet")
    if as_json:
        for release in releases:
            print(release.model_dump_json())
        return
    base = _base_or_none(settings) if releases else None
    for release in releases:
        examples = f"{as_count(release.examples, 'example')} and {as_count(release.seeds, 'seed')}"
        passed_over = other_base(release, base) if base is not None else None
        print(
            f"{release.id}  {release.status.in_words}  parent {release.parent}  {examples}"
            + (f"  PASSED OVER: {passed_over}" if passed_over else "")
        )


@app.command()
@with_settings(*BROKER)
def show(settings: "Settings", id: Id, as_json: Json = False) -> None:
    """Show one release: metrics, verdict and signature.

    The held-out metrics stand beside its parent's, with the bootstrap intervals of their changes.
    The verdict is that of the promotion gate. The signature is that of the files here.

    Example: `backstream releases show r-1a2b3c4d`
    """
    from streams.releases.announcements import find
    from streams.releases.describe import describe_release, signed_by
    from streams.releases.store import release_store

    release, store = find(_read(settings), id), release_store(settings)
    if as_json:
        shown = {**release.model_dump(mode="json"), "signed_by": signed_by(release, store)}
        print(json.dumps(shown, indent=2))
    else:
        print(describe_release(release, store))


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
@with_settings(*BROKER, *BASE)
def promote(settings: "Settings", id: Id) -> None:
    """Deploy a release, whatever its metrics.

    Workers on the model that it was trained from change to it within seconds, if they can use it.

    Example: `backstream releases promote r-1a2b3c4d`
    """
    from streams.cli.connection import connected
    from streams.cli.console import notice
    from streams.releases import announcements
    from streams.releases.serving import other_base, serving_of
    from streams.releases.store import release_store

    base = _base_or_none(settings)
    with connected(settings) as settings:
        release = announcements.promote(settings.kafka.cluster(), id)
    print(f"{release.id} is deployed for {release.base}")
    if base is not None and (passed_over := other_base(release, base)):
        notice(f"workers on {base} pass {release.id} over: it was {passed_over}")
    else:
        store = release_store(settings)
        for reason in serving_of([release], release.base, store).refused.values():
            notice(f"{release.id} is not used here: {reason}")


@app.command()
@with_settings(*BROKER, *BASE)
def rollback(settings: "Settings") -> None:
    """Take back the release that is deployed.

    The release before it is deployed again, or the base.

    Example: `backstream releases rollback`
    """
    from streams.cli.connection import connected
    from streams.releases.announcements import roll_back

    with connected(settings) as settings:
        removed, deployed = roll_back(settings.kafka.cluster(), _base(settings))
    print(f"{removed.id} is taken back; {deployed.id} is deployed")


@app.command()
def keygen(
    file: Annotated[Path, typer.Argument(help="A new file for the private key.")],
) -> None:
    """Make a key that signs releases, and print its public key.

    Set `releases.signing_key` of the trainer to the file, and add the public key to
    `releases.trusted_keys` of trainer and workers. The file can be read by its owner only.

    Example: `backstream releases keygen release-key.pem`
    """
    from models.releases.signing import SigningKey

    print(SigningKey.generate(file).public)


@app.command()
@with_settings("state_dir")
def sign(
    settings: "Settings",
    id: Id,
    key: Annotated[
        Path | None,
        typer.Option(help="File of the private key. [default: releases.signing_key]"),
    ] = None,
) -> None:
    """Sign a release that is here, once its files have been checked.

    A signature that it has is replaced.

    Example: `backstream releases sign r-1a2b3c4d --key release-key.pem`
    """
    from models.releases.signing import SigningKey
    from streams.releases.store import release_store

    file = key or settings.releases.signing_key
    if file is None:
        raise SettingsError("no key: pass --key, or set releases.signing_key")
    signing_key = SigningKey.load(file)
    release_store(settings).sign(id, signing_key)
    print(f"{id} is signed with {signing_key.public}")


def _base_or_none(settings: "Settings") -> str | None:
    """As ``_base``; a notice, and None, where the model is not usable."""
    from schemas.errors import ModelError
    from streams.cli.console import notice

    try:
        return _base(settings)
    except ModelError as error:
        notice(f"it is not known which releases are of the model here: {error}")
        return None


def _base(settings: "Settings") -> str:
    """Id of the model of the settings."""
    from models.releases.release import read_manifest
    from streams.cli.prepare import prepare_base

    return read_manifest(prepare_base(settings)).id


def _read(settings: "Settings") -> list["Release"]:
    from streams.cli.connection import connected
    from streams.releases.announcements import read_releases

    with connected(settings) as settings:
        return read_releases(settings.kafka.cluster())
