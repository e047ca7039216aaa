"""Commands that look: ``status``, ``audit``, ``describe``, ``check``, ``config``."""

import asyncio
import json
import time
from dataclasses import asdict
from typing import Annotated

import typer

from models.releases.catalogue import default_cache, prepare
from models.releases.release import read_manifest
from schemas.errors import BackstreamError
from streams.cli.options import (
    Assignments,
    Backward,
    Broker,
    ConfigFile,
    Device,
    Forward,
    Json,
    Model,
    StateDir,
    connected,
    prepare_models,
    say,
    settings_from,
)
from streams.kafka.broker import Jars, running_address
from streams.kafka.topics import TOPICS
from streams.observe.audit import audit as audit_topics
from streams.observe.describe import as_mermaid, as_table
from streams.observe.lag import FlowReader
from streams.observe.progress import Rates
from streams.releases.announcements import in_service, read_releases
from streams.releases.rerating import rerating
from streams.settings import Role, Settings
from streams.worker.role_models import RoleModels

_RATE_SECONDS = 1.0


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (status, audit, describe, check):
        app.command()(command)


def status(
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
    model: Model = None,
    backward: Backward = None,
    forward: Forward = None,
    as_json: Json = False,
) -> None:
    """Show committed lag, rates and counts of every stage, and the release in service.

    Example: `backstream status --json`
    """
    settings = settings_from(
        config,
        assignments,
        state_dir=state_dir,
        broker=broker,
        model=model,
        backward=backward,
        forward=forward,
    )
    with connected(settings) as settings:
        cluster = settings.kafka.cluster()
        with FlowReader(cluster) as reader:
            rates = Rates()
            rates.update(reader.read())
            time.sleep(_RATE_SECONDS)
            flow = reader.read()
            rates.update(flow)
        releases = read_releases(cluster)
        base = read_manifest(prepare(settings.model, default_cache(), progress=say)).id
        serving = in_service(releases, base)
        again = None
        if serving is not None and settings.rates_again:
            again = rerating(cluster, serving, settings.rerating.after_seconds)
    pinned = {str(role): name for role in Role if (name := settings.pinned(role))}
    messages = {cluster.topic(topic): flow.messages[topic.name] for topic in TOPICS}
    report = {
        "broker": settings.kafka.bootstrap_servers,
        "stages": [
            {**asdict(stage), "per_second": round(rates.per_second.get(stage.stage, 0.0), 2)}
            for stage in flow.stages
        ],
        "messages": messages,
        "release": serving.id if serving else base,
        "pinned": pinned,
        "releases": len(releases),
        "rerating": asdict(again) if again else None,
    }
    if as_json:
        print(json.dumps(report))
        return
    print(f"broker {report['broker']}, release in service {report['release']}")
    for role, name in pinned.items():
        print(f"the {role} role is pinned to {name}")
    if again is not None:
        print(f"{again.release} has rated {again.done:,} of {again.total:,} candidates again")
    for stage in flow.stages:
        rate = rates.per_second.get(stage.stage, 0.0)
        print(
            f"{stage.stage:10} {stage.done:>9,} done  {stage.lag:>9,} to do  {rate:>8.1f}/s  "
            f" reads {stage.topic}"
        )
    print("   ".join(f"{topic} {count:,}" for topic, count in messages.items()))


def audit(
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
    as_json: Json = False,
) -> None:
    """Prove from the topics that every id is answered for. Exit code 1, naming the ids, where one
    is lost.

    Example: `backstream audit`
    """
    with connected(
        settings_from(config, assignments, state_dir=state_dir, broker=broker)
    ) as settings:
        cluster = settings.kafka.cluster()
        with FlowReader(cluster) as reader:
            found = audit_topics(cluster, reader.committed())
    if as_json:
        rejections = {
            f"{stage}.{reason}": count for (stage, reason), count in found.rejections.items()
        }
        print(
            json.dumps(
                {
                    "complete": found.complete,
                    "stages": [asdict(s) for s in found.stages],
                    "rejections": rejections,
                }
            )
        )
    else:
        for stage in found.stages:
            print(
                f"{stage.stage:10} {stage.ids:>8,} ids = {stage.followed:,} followed + "
                f"{stage.rejected:,} rejected + "
                f"{stage.dead:,} dead + {stage.in_flight:,} in flight + {len(stage.lost):,} lost"
            )
            for id in stage.lost:
                print(f"  lost: {id}")
        for (stage_name, reason), count in sorted(found.rejections.items()):
            print(f"rejected by {stage_name}: {reason} {count:,}")
    if not found.complete:
        raise typer.Exit(1)


def describe(
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="A diagram instead of the tables.")
    ] = False,
    config: ConfigFile = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Show the topology: topics, stages, and what each reads and writes.

    Example: `backstream describe --mermaid`
    """
    cluster = settings_from(config, assignments).kafka.cluster()
    if mermaid:
        print(as_mermaid(cluster))
    else:
        table = as_table(cluster)
        print(json.dumps(table) if as_json else _lines(table))


def check(
    config: ConfigFile = None,
    assignments: Assignments = None,
    state_dir: StateDir = None,
    broker: Broker = None,
    model: Model = None,
    backward: Backward = None,
    forward: Forward = None,
    device: Device = None,
) -> None:
    """Check settings, broker and model before anything starts. Exit code 1 where one of them will
    not do.

    Example: `backstream check -c backstream.yaml`
    """
    settings = settings_from(
        config,
        assignments,
        state_dir=state_dir,
        broker=broker,
        model=model,
        backward=backward,
        forward=forward,
        device=device,
    )
    print("settings  ok")
    failed = False
    for name, probe in (("broker", _check_broker), ("model", _check_model)):
        try:
            print(f"{name:9} ok: {probe(settings)}")
        except BackstreamError as error:
            failed = True
            print(f"{name:9} FAILED: {error}")
    if failed:
        raise typer.Exit(1)


def _check_broker(settings: Settings) -> str:
    address = settings.given_broker or running_address(settings.broker_dir)
    if address is None:
        Jars.resolve()
        return "the embedded Kafka's jars are here and have the locked sums"
    with FlowReader(settings.with_broker(address).kafka.cluster()) as reader:
        topics = sum(1 for count in reader.read().messages.values() if count)
    return f"{address} answers; {topics} of our topics hold messages"


def _check_model(settings: Settings) -> str:
    models = asyncio.run(RoleModels.load(settings, prepare_models(settings)))
    try:
        return ", ".join(
            f"{role} {handle.release} on {handle.device}" for role, handle in models.handles.items()
        )
    finally:
        models.close()


def _lines(table: dict[str, list[dict[str, str]]]) -> str:
    blocks = []
    for name, rows in table.items():
        widths = {key: max(len(key), *(len(row[key]) for row in rows)) for key in rows[0]}
        lines = [name.upper(), "  ".join(key.ljust(width) for key, width in widths.items())]
        lines += [
            "  ".join(row[key].ljust(width) for key, width in widths.items()).rstrip()
            for row in rows
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)
