"""Commands that show the state of the stream: status, audit, describe, check."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import BackstreamError
from streams.cli.options import BROKER, MODELS, Json, with_settings

if TYPE_CHECKING:
    from streams.settings import Settings


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    for command in (status, audit, describe, check):
        app.command()(command)


@with_settings(*BROKER, *MODELS)
def status(
    settings: "Settings",
    watched: Annotated[
        bool, typer.Option("--watch", "-w", help="Show it again every few seconds, until Ctrl-C.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what is to do, how fast it goes, what is in the way.

    Shows the deployed release, what the curator accepts, what models behind addresses have cost,
    and the number of messages on each topic; of curated, of examples. What a stage has to do is
    what it has not committed. Reads a stream that runs, and starts nothing.

    Example: `backstream status --watch`
    """
    from models.releases.cache import default_cache
    from models.releases.exports import exported
    from streams.cli.connection import running
    from streams.cli.status_reader import StatusReader

    if watched and as_json:
        raise typer.BadParameter("--json shows the status once", param_hint="--watch")
    base = exported(settings.model, default_cache())
    with StatusReader(running(settings), base) as reader:
        if watched:
            from streams.cli.status_watch import watch

            watch(reader.read)
            return
        found = reader.read()
    print(json.dumps(asdict(found)) if as_json else found.as_text())


@with_settings(*BROKER)
def audit(settings: "Settings", as_json: Json = False) -> None:
    """Prove from the topics that every id is accounted for.

    Lists lost ids, messages that were deleted unread, what cannot be proved, and what cannot be
    read. The exit code is 0 if nothing is lost, and 1 if an id is lost or messages were deleted
    unread. It is 1 without a report if the topics cannot be read.

    Example: `backstream audit`
    """
    from streams.cli.audit_report import as_report, as_text
    from streams.cli.connection import connected
    from streams.observe.audit import audit as audit_topics
    from streams.observe.lag import FlowReader
    from streams.stages.topology import stages_of

    with connected(settings) as settings:
        cluster = settings.kafka.cluster()
        stages = stages_of(settings)
        with FlowReader(cluster, stages) as reader:
            found = audit_topics(cluster, reader.committed(), stages)
    print(json.dumps(as_report(found)) if as_json else as_text(found))
    if not found.complete:
        raise typer.Exit(1)


@with_settings(*BROKER)
def describe(
    settings: "Settings",
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print a diagram instead of the tables.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show topics and stages, and what each reads and writes.

    With --broker, or while one runs on the state directory, shows how its topics differ from the
    settings too. Starts no broker.

    Example: `backstream describe --mermaid`
    """
    from streams.kafka.admin.topic_states import topic_states
    from streams.kafka.embedded.running import running_address
    from streams.observe.describe import as_mermaid, as_table
    from streams.stages.topology import stages_of

    address = settings.given_broker or running_address(settings.broker_dir)
    cluster = settings.with_broker(address or "").kafka.cluster()
    stages = stages_of(settings)
    if mermaid:
        print(as_mermaid(cluster, stages))
        return
    states = topic_states(cluster) if address else None
    tables = as_table(cluster, settings.kafka.wanted_topics(), states, stages)
    print(json.dumps(tables) if as_json else _as_text(tables))


@with_settings(*BROKER, *MODELS, "device")
def check(settings: "Settings") -> None:
    """Check settings, files, keys, broker and models.

    Creates no state directory. The exit code is 1 if one of them cannot be used.

    Example: `backstream check -c backstream.yaml`
    """
    from streams.cli.probes import (
        probe_agents,
        probe_broker,
        probe_curation,
        probe_models,
        probe_prompts,
        probe_releases,
    )

    print("settings  ok")
    failed = False
    probes = {
        "broker": probe_broker,
        "releases": probe_releases,
        "curation": probe_curation,
        "prompts": probe_prompts,
        "agents": probe_agents,
        "model": probe_models,
    }
    for name, probe in probes.items():
        try:
            print(f"{name:9} ok: {probe(settings)}")
        except BackstreamError as error:
            failed = True
            print(f"{name:9} FAILED: {error}")
    if failed:
        raise typer.Exit(1)


def _as_text(tables: dict[str, list[dict[str, str]]]) -> str:
    blocks = []
    for name, rows in tables.items():
        widths = {key: max(len(key), *(len(row[key]) for row in rows)) for key in rows[0]}
        lines = [name.upper(), "  ".join(key.ljust(width) for key, width in widths.items())]
        lines += [
            "  ".join(row[key].ljust(width) for key, width in widths.items()).rstrip()
            for row in rows
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)
