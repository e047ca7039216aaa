"""What the stream costs and carries.

Run with ``python -m bench.stream [hop] [chain] [model] [swap] [soak]``. All numbers are measured in
one run against one embedded Kafka, on the same machine, in rounds that alternate between what is
compared. Each measurement has a process of its own.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from kafka.admin import KafkaAdminClient

from bench import chain, hop, model, swap
from bench.process import Cost, in_fresh_process
from bench.report import Row, machine, publish
from models.releases.cache import default_cache
from models.releases.catalogue import prepare
from schemas.errors import BackstreamError
from schemas.records import Document
from streams.data.feed import feed
from streams.kafka.admin.creation import create_topics
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.kafka.topics import TOPICS
from streams.settings import Settings, load

_HOP_TIMES_BARE = 4.0
_HOP_TIMES_FAUST = 1.5
_CHAIN_PER_SECOND = 800
_ENGINE_SHARE = 0.85
_SWAP_GAP_SECONDS = 2.0
_SOAK_RECORDS = 100_000
_KEPT, _REFUSED = 4.5, 3.0

_HOPS: dict[str, hop.Hop] = {
    "bare aiokafka": hop.bare_aiokafka,
    "faust alone, reading and acknowledging": hop.faust_reading,
    "faust and aiokafka's producer, a task a record": hop.faust_and_producer,
    "backstream stage": hop.backstream_stage,
    "backstream model stage, a task a record": hop.backstream_model_stage,
}
_BARE, _FAUST, _, *_OURS = _HOPS


@dataclass
class Bench:
    """One run: the broker it measures against, and how much."""

    broker: EmbeddedBroker
    settings: Settings
    options: argparse.Namespace
    _groups: int = 0
    started: float = field(default_factory=time.monotonic)

    def measure_hop(self) -> Iterator[Row]:
        """What a record costs from topic to topic."""
        warm = min(2000, self.options.records // 10)
        total = self.options.records + warm
        self._refill(chain.documents(total))
        costs: dict[str, list[Cost]] = {name: [] for name in _HOPS}
        for number in self._rounds("hop"):
            for name, body in _HOPS.items():
                costs[name].append(cost := in_fresh_process(body, self._own_group(), warm, total))
                self._note(
                    f"hop, round {number}: {name}: {cost.cpu_ms:.3f} ms of CPU a record, "
                    f"{cost.per_second:,.0f}/s"
                )
        cpu = {name: [cost.cpu_ms for cost in found] for name, found in costs.items()}
        title = f"the hop, {self.options.records:,} records of 1 kB: "
        for name, values in cpu.items():
            yield Row(
                f"{title}CPU ms a record",
                name,
                values,
            )
        for name in _OURS:
            for other, at_most in ((_BARE, _HOP_TIMES_BARE), (_FAUST, _HOP_TIMES_FAUST)):
                ratios = [ours / theirs for ours, theirs in zip(cpu[name], cpu[other], strict=True)]
                yield Row(
                    "the hop: CPU, how many times as much",
                    f"{_short(name)} / {_short(other)}",
                    ratios,
                    at_most=at_most,
                )
        for name, found in costs.items():
            yield Row("the hop: records/s", name, [cost.per_second for cost in found])

    def measure_chain(self) -> Iterator[Row]:
        """What four stages carry without a model."""
        found, brokers = [], []
        for number in self._rounds("chain"):
            carried, broker_seconds = self._carry(self.options.chain_records, _KEPT)
            found.append(carried)
            brokers.append(1000 * broker_seconds / self.options.chain_records)
            cost = carried.cost
            self._note(
                f"chain, round {number}: {cost.per_second:,.0f}/s end to end, "
                f"{cost.cpu_ms:.3f} ms of CPU a record"
            )
        title = f"the chain, {self.options.chain_records:,} documents of 1 kB, constant model"
        yield Row(
            title,
            "records/s, all four stages",
            [one.cost.per_second for one in found],
            at_least=_CHAIN_PER_SECOND,
        )
        yield Row(title, "CPU ms a record, all four stages", [one.cost.cpu_ms for one in found])
        yield Row(title, "CPU ms a record and stage", [one.cost.cpu_ms / 4 for one in found])
        yield Row(title, "CPU ms a record, the broker's", brokers)
        yield Row(
            title,
            "share of examples kept",
            [one.kept / self.options.chain_records for one in found],
        )

    def measure_model(self) -> Iterator[Row]:
        """What the stream carries with a model, beside its engine alone."""
        directory = prepare(self.options.model, default_cache(), progress=self._note)
        documents = model.documents(self.options.documents)
        streams, alone = [], []
        for number in self._rounds("model"):
            self._refill(documents)
            streams.append(
                one := in_fresh_process(model.stream, self._own_group(), directory, len(documents))
            )
            self._note(
                f"model, round {number}: the stream: {one.passages / one.seconds:.1f} passages/s"
            )
            alone.append(
                one := in_fresh_process(
                    model.engine_alone, self.settings, directory, len(documents)
                )
            )
            self._note(
                f"model, round {number}: the engine alone: {one.passages / one.seconds:.1f} "
                "passages/s"
            )
        one = streams[-1]
        title = (
            f"{self.options.model} model: {one.documents} documents, {one.passages} passages, "
            f"{one.rated} rated, {one.kept} kept"
        )
        yield Row(title, "stream: documents/s", [one.documents / one.seconds for one in streams])
        yield Row(title, "stream: passages/s", [one.passages / one.seconds for one in streams])
        yield Row(title, "stream: examples rated/s", [one.rated / one.seconds for one in streams])
        yield Row(title, "engine alone: passages/s", [one.passages / one.seconds for one in alone])
        yield Row(
            title, "engine alone: examples rated/s", [one.rated / one.seconds for one in alone]
        )
        shares = [a.seconds / s.seconds for s, a in zip(streams, alone, strict=True)]
        yield Row(
            title, "the stream's rate as a share of the engine's", shares, at_least=_ENGINE_SHARE
        )

    def measure_swap(self) -> Iterator[Row]:
        """How long nothing comes out while a worker changes to another release."""
        directory = prepare(self.options.model, default_cache(), progress=self._note)
        documents = model.documents(self.options.documents)
        found: list[swap.Swap] = []
        for number in self._rounds("swap"):
            self._refill(documents)
            with tempfile.TemporaryDirectory(prefix="backstream-bench-") as work:
                found.append(
                    one := in_fresh_process(
                        swap.swap, self._own_group(), directory, len(documents), Path(work)
                    )
                )
            self._note(
                f"swap, round {number}: changed in {one.change:.2f} s, longest silence "
                f"{one.gap:.2f} s"
            )
        title = (
            f"{self.options.model} model: a change of release under load, {found[-1].ratings} "
            "ratings"
        )
        yield Row(
            title,
            "longest time without a rating around it, s",
            [one.gap for one in found],
            at_most=_SWAP_GAP_SECONDS,
        )
        yield Row(
            title, "longest time without a rating otherwise, s", [one.usual_gap for one in found]
        )
        yield Row(title, "announcement until the old one is idle, s", [one.change for one in found])

    def measure_soak(self) -> Iterator[Row]:
        """Memory and files of one worker over many records.

        Once it keeps every example, once none.
        """
        total = self.options.soak
        for score, what in (
            (_REFUSED, "none kept by the curator"),
            (_KEPT, "all kept by the curator"),
        ):
            carried, _ = self._carry(total, score)
            title = f"soak, {total:,} records: {what}"
            for at in carried.memory:
                yield Row(title, f"MB resident after {at.records:,}", [at.resident_mb])
            yield Row(
                title,
                "file descriptors, first and last",
                [carried.memory[0].descriptors, carried.memory[-1].descriptors],
            )
            self._note(f"soak: {what}: {carried.cost.per_second:,.0f} records/s")

    def _carry(self, total: int, score: float) -> tuple[chain.Carried, float]:
        """What a worker did, and the CPU seconds of the broker meanwhile."""
        self._refill(chain.documents(total))
        broker = psutil.Process(self.broker.pid)
        before = broker.cpu_times()
        carried = in_fresh_process(chain.carry, self._own_group(), total, score)
        after = broker.cpu_times()
        return carried, after.user + after.system - before.user - before.system

    def _refill(self, documents: Iterable[Document]) -> None:
        """Empty topics, and these documents on the first."""
        cluster = self.settings.kafka.cluster()
        admin = KafkaAdminClient(**cluster.client)
        try:
            held = set(admin.list_topics())
            admin.delete_topics([name for name in map(cluster.topic, TOPICS) if name in held])
        finally:
            admin.close()
        create_topics(cluster)
        feed(cluster, documents)

    def _own_group(self) -> Settings:
        """Settings whose consumer groups no measurement had before."""
        self._groups += 1
        return self.settings.model_copy(
            update={
                "kafka": self.settings.kafka.model_copy(update={"group": f"bench{self._groups}"})
            }
        )

    def _rounds(self, section: str) -> range:
        self._note(f"{section}: {self.options.rounds} rounds")
        return range(1, self.options.rounds + 1)

    def _note(self, line: str) -> None:
        print(f"{time.monotonic() - self.started:6.1f} s  {line}", file=sys.stderr, flush=True)


SECTIONS: Mapping[str, Callable[[Bench], Iterator[Row]]] = {
    "hop": Bench.measure_hop,
    "chain": Bench.measure_chain,
    "model": Bench.measure_model,
    "swap": Bench.measure_swap,
    "soak": Bench.measure_soak,
}


def main() -> int:
    """Measure, print, and return the exit code."""
    options = _parse()
    found = machine()
    rows: list[Row] = []
    try:
        with (
            tempfile.TemporaryDirectory(prefix="backstream-bench-") as directory,
            EmbeddedBroker(Path(directory)) as broker,
        ):
            # Each passage is a response, as for the engine alone.
            settings = load(assignments=("curation.mix={}",)).with_broker(broker.address)
            bench = Bench(broker, settings, options)
            for section in options.sections:
                rows += SECTIONS[section](bench)
    except KeyboardInterrupt:
        print("stopped: nothing was measured to the end", file=sys.stderr)
        return 130
    except BrokenProcessPool:
        print(
            "a measurement's process ended before it was done: see the messages above",
            file=sys.stderr,
        )
        return 1
    except BackstreamError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    publish(found, options.rounds, rows, options.output)
    return 0


def _short(name: str) -> str:
    return name.split(",")[0]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.stream", description="Measure what the stream costs and carries."
    )
    parser.add_argument(
        "sections",
        nargs="*",
        metavar="section",
        help=f"{', '.join(SECTIONS)}; all by default, soak with --soak",
    )
    parser.add_argument(
        "--rounds",
        type=_count,
        default=3,
        help="times that each measurement is taken (default: %(default)s)",
    )
    parser.add_argument(
        "--records", type=_count, default=20_000, help="records of a hop (default: %(default)s)"
    )
    parser.add_argument(
        "--chain-records",
        type=_count,
        default=8_000,
        help="documents of a chain (default: %(default)s)",
    )
    parser.add_argument(
        "--documents", type=_count, help="documents for the model (default: all there are)"
    )
    parser.add_argument(
        "--model",
        default="house",
        help="house, a directory or a Hugging Face id (default: %(default)s)",
    )
    parser.add_argument(
        "--soak",
        type=_count,
        metavar="N",
        help=f"take N records through a worker, twice ({_SOAK_RECORDS:,})",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the JSON here too")
    options = parser.parse_args()
    unknown = [section for section in options.sections if section not in SECTIONS]
    if unknown:
        parser.error(f"there is no section {unknown[0]!r}: choose from {', '.join(SECTIONS)}")
    options.sections = options.sections or [
        section for section in SECTIONS if section != "soak" or options.soak
    ]
    options.soak = options.soak or _SOAK_RECORDS
    return options


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
