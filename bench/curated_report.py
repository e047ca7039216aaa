"""Time and memory of ``backstream report``, of an exported file and of a stream.

Run with ``python -m bench.curated_report dolly.jsonl``: human pairs in any format that ``seed``
reads. Where they are fewer than the examples wanted, copies have half of the words of their
instruction replaced, so that more of them are alike than of a curated set. The stream has as many
examples, twice as many rated pairs, and as many refusals.
"""

import argparse
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kafka import KafkaProducer

from bench.report import describe_machine, machine
from bench.timed_command import timed_command
from models.seeds import read_seeds
from schemas.record import Record
from schemas.records import Candidate, Example, ExampleOrigin, Provenance, Rating, Rejection, Scored
from schemas.wire import encode, headers_for
from streams.data.exports import Shape, write_jsonl
from streams.kafka.admin.creation import create_topics
from streams.kafka.cluster import Cluster
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.kafka.topics import topic_of
from streams.settings import load


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.curated_report", description=__doc__)
    parser.add_argument("pairs", type=Path, help="a file of human pairs")
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--file-only", action="store_true", help="without a broker")
    options = parser.parse_args()
    print(describe_machine(machine()))
    print("| report of | examples | seconds | seconds of CPU | memory, MiB | page, kB |")
    print("|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        file = work / "curated.jsonl"
        count = write_jsonl(_examples(options.pairs, options.examples), file, Shape.TRIPLES)
        _measure("a file", count, work, str(file))
        if options.file_only:
            return
        with EmbeddedBroker(work / "kafka") as broker:
            cluster = load().with_broker(broker.address).kafka.cluster()
            create_topics(cluster)
            _write(cluster, _examples(options.pairs, options.examples))
            _measure("a stream", count, work, "--broker", broker.address)


def _examples(pairs: Path, count: int) -> Iterator[Example]:
    seeds = list(read_seeds(pairs))
    chance = random.Random(1)
    vocabulary = [word for seed in seeds for word in seed.instruction.split()]
    for number in range(count):
        seed = seeds[number % len(seeds)]
        words = seed.instruction.split()
        if number >= len(seeds):
            words = [chance.choice(vocabulary) if chance.random() < 0.5 else one for one in words]
        yield Example(
            id=f"{number:032x}",
            instruction=" ".join(words),
            context=seed.context or None,
            response=seed.response,
            origin=ExampleOrigin.AUGMENTED,
            rating=_rating(chance.uniform(4, 5)),
            provenance=_made(number),
        )


def _rating(score: float) -> Rating:
    return Rating(
        score=score,
        probabilities=(0.0, 0.0, 0.1, 0.4, 0.5),
        precision=0.8,
        release="bench",
        template="bench",
    )


def _made(number: int) -> Provenance:
    return Provenance(
        source=f"docs/{number % 3000}/{number % 7}.md",
        document_id=f"document-{number // 5}",
        segment_id=f"segment-{number}",
    )


def _write(cluster: Cluster, examples: Iterator[Example]) -> None:
    producer = KafkaProducer(**cluster.client, linger_ms=50)

    def send(record: Record) -> None:
        topic, key = cluster.topic(topic_of(type(record))), record.id.encode()
        producer.send(topic, encode(record), key, headers=headers_for(type(record)))

    for example in examples:
        assert example.rating is not None
        fields = {name: getattr(example, name) for name in Candidate.model_fields}
        candidate = Candidate.model_validate(fields)
        refused = candidate.model_copy(update={"id": f"{example.id}-2"})
        send(Scored(candidate=candidate, rating=example.rating))
        send(Scored(candidate=refused, rating=_rating(2.0)))
        send(example)
        send(Rejection(id=refused.id, stage="curator", reason="below_threshold", score=2.0))
    producer.close()


def _measure(name: str, count: int, work: Path, *arguments: str) -> None:
    page = work / "report.html"
    taken = timed_command("report", "-o", str(page), *arguments)
    figures = f"{taken.seconds:.0f} | {taken.cpu:.0f} | {taken.memory:.0f}"
    print(f"| {name} | {count:,} | {figures} | {page.stat().st_size / 1000:.0f} |", flush=True)


if __name__ == "__main__":
    main()
