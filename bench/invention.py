"""What the inventor makes of requests, and how fast, beside its engine alone.

Run with ``python -m bench.invention --model smollm2 --count 200``. The requests show the project's
human pairs, and go through a whole stream on an embedded Kafka: inventor, scorer and curator. It
prints how often each rule refused, the rates, and examples that nobody picked: those with the
lowest ids. With ``--rounds``, the stream and the same agents without Kafka handle ``--timed``
requests in turns.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from agents.curator import Curator
from agents.inventor import Inventor
from agents.scorer import Scorer
from bench.in_turns import in_turns
from bench.process import in_fresh_process
from bench.recorded_model import recorded_stream
from bench.report import describe_machine, machine
from models.releases.cache import default_cache
from models.releases.catalogue import prepare
from schemas.records import Bootstrap, Candidate, Example, Rejection, Scored
from streams.data.bootstraps import draw
from streams.data.feed import invent
from streams.kafka.admin.creation import create_topics
from streams.kafka.cluster import Cluster
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import BOOTSTRAPS, CURATED, REJECTED, SCORED
from streams.observe.audit import Audit, audit
from streams.observe.lag import FlowReader
from streams.settings import Settings, load
from streams.stages.making import agent_makers
from streams.worker.role_models import RoleModels

_LONGEST = 400
"""Characters of a text that are printed."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass over the requests made, and the seconds that it took."""

    candidates: int
    seconds: float


async def stream(settings: Settings, directory: Path, fed: int) -> Pass:
    """Measure a worker, from the first text asked for to the last pair curated."""
    async with contextlib.aclosing(await RoleModels.load(settings, directory)) as models:
        found = await recorded_stream(settings, models, fed, BOOTSTRAPS)
    return Pass(found.counts.get((Inventor.stage, "candidates"), 0), found.seconds)


async def engine_alone(settings: Settings, directory: Path, count: int, seed: int) -> Pass:
    """Measure the agents without Kafka, with as many requests at once as in a stage."""
    async with contextlib.aclosing(await RoleModels.load(settings, directory)) as models:
        agents = {name: make() for name, make in agent_makers(settings, models.handles).items()}
        places = asyncio.Semaphore(settings.generation.in_flight)

        async def carry(request: Bootstrap) -> int:
            async with places:
                outcomes = await agents[Inventor.stage].handle(request)
                made = [one for one in outcomes if isinstance(one, Candidate)]
                await asyncio.gather(*map(agents[Scorer.stage].handle, made))
                return len(made)

        requests = list(draw([], count, seed))
        started = time.perf_counter()
        made = sum(await asyncio.gather(*map(carry, requests)))
        return Pass(made, time.perf_counter() - started)


def refused(account: Audit) -> Iterator[str]:
    """For each stage and reason, the number of refused things and its share of the stage's."""
    for stage, outcome in ((Inventor.stage, "candidates"), (Curator.stage, "kept")):
        reasons = {
            reason: count for (name, reason), count in account.rejections.items() if name == stage
        }
        spec = {one.stage: one for one in account.stages}
        passed = spec[Scorer.stage].ids if stage == Inventor.stage else spec[stage].followed
        total = passed + sum(reasons.values())
        rows = sorted({outcome: passed, **reasons}.items(), key=lambda row: (-row[1], row[0]))
        for reason, count in rows:
            yield f"| {stage} | `{reason}` | {count:,} | {count / max(total, 1):.1%} |"


def samples(cluster: Cluster, count: int) -> Iterator[str]:
    """The examples with the lowest ids, with their ratings and what became of them."""
    reader = RecordReader()
    fates: dict[str, str] = {}
    for received in replay(cluster, REJECTED):
        if rejection := reader.read_record(received, Rejection):
            fates[rejection.id] = rejection.reason
    for received in replay(cluster, CURATED):
        if (entry := reader.read_entry(received, Example)) and entry.record:
            fates[entry.id] = "kept"
    scored: dict[str, Scored] = {}
    for received in replay(cluster, SCORED):
        if one := reader.read_record(received, Scored):
            scored[one.id] = one
    for id in sorted(scored)[:count]:
        one, made = scored[id], scored[id].candidate
        kind = f", {made.category}" if made.category else ""
        given = f" **Input:** {_shown(made.context)}" if made.context else ""
        yield (
            f"1. {_shown(made.instruction)}{given} **Output:** {_shown(made.response)} "
            f"*({one.rating.score:.2f}, {fates.get(id, 'no outcome')}{kind})*"
        )


def report(options: argparse.Namespace) -> Iterator[str]:
    """Measure, and yield the lines of the report."""
    directory = prepare(options.model, default_cache(), progress=_note)
    with (
        tempfile.TemporaryDirectory(prefix="backstream-bench-") as work,
        EmbeddedBroker(Path(work)) as broker,
    ):
        settings = load(None, {}, tuple(options.set)).with_broker(broker.address)
        cluster = settings.kafka.cluster()
        create_topics(cluster)
        invent(cluster, draw([], options.count, options.seed))
        streamed = in_fresh_process(stream, settings, directory, options.count)
        _note(f"the stream: {streamed.seconds:.1f} s")
        with FlowReader(cluster) as flow:
            account = audit(cluster, flow.committed())
        inventor = next(one for one in account.stages if one.stage == Inventor.stage)
        yield (
            f"{options.model}: {inventor.ids:,} requests, of which {inventor.followed:,} gave "
            f"candidates and {inventor.rejected:,} none; {len(inventor.lost)} lost; the audit is "
            f"{'complete' if account.complete else 'NOT COMPLETE'}. {streamed.candidates:,} "
            f"candidates, {account.examples:,} kept."
        )
        yield f"The stream: {_rates(streamed, options.count)}."
        yield "\n| stage | outcome | number | share |\n|---|---|---|---|"
        yield from refused(account)
        yield "\nThe examples with the lowest ids (rating, what became of it):\n"
        yield from samples(cluster, options.samples)
        if options.rounds:
            yield "\n| round | stream | agents without Kafka | share |\n|---|---|---|---|"
        shares: list[float] = []
        for number, own in enumerate(in_turns(settings, options.rounds), 1):
            invent(own.kafka.cluster(), draw([], options.timed, options.seed))
            ours = in_fresh_process(stream, own, directory, options.timed)
            alone = in_fresh_process(engine_alone, own, directory, options.timed, options.seed)
            shares.append(alone.seconds / ours.seconds)
            yield (
                f"| {number} | {_rates(ours, options.timed)} | {_rates(alone, options.timed)} | "
                f"{shares[-1]:.2f} |"
            )
        if shares:
            yield f"\nMedian of the shares: {median(shares):.2f}."


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = _parse(arguments)
    found: Mapping[str, object] = machine()
    print(describe_machine(dict(found)), flush=True)
    for line in report(options):
        print(line, flush=True)


def _rates(one: Pass, count: int) -> str:
    return (
        f"{count / one.seconds:.2f} requests/s, {one.candidates / one.seconds:.2f} candidates/s "
        f"({one.seconds:.0f} s)"
    )


def _shown(text: str) -> str:
    folded = " ".join(text.split())
    return folded if len(folded) <= _LONGEST else f"{folded[:_LONGEST]}…"


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.invention", description="Measure what the inventor makes."
    )
    parser.add_argument("--model", default="house", help="as --model of backstream")
    parser.add_argument("--count", type=int, default=200, help="requests (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="as --seed of backstream invent")
    parser.add_argument("--samples", type=int, default=20, help="examples to print")
    parser.add_argument(
        "--rounds", type=int, default=0, help="rounds of stream and agents without Kafka, in turns"
    )
    parser.add_argument(
        "--timed", type=int, default=40, help="requests of a round (default: %(default)s)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting; repeatable"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
