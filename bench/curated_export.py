"""Time and memory of ``backstream export`` from a broker.

Run with ``python -m bench.curated_export [--examples 100000] [--samples 1]``. The examples have
responses of 1,500 characters, ten figures of evidence, and as many other samples of their passage
as ``--samples`` says, less one.
"""

import argparse
import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kafka import KafkaProducer

from bench.report import describe_machine, machine
from bench.timed_command import timed_command
from schemas.records import Alternative, Example, ExampleOrigin, Provenance, Rating
from schemas.wire import encode, headers_for
from streams.kafka.admin.creation import create_topics
from streams.kafka.cluster import Cluster
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.kafka.topics import CURATED
from streams.settings import load

_CHARACTERS = 1500
_WAYS = (
    ("JSON lines", "curated.jsonl", ()),
    ("JSON lines, without a card", "curated.jsonl", ("--no-card",)),
    ("JSON lines, split", "curated.jsonl", ("--split", "0.9")),
    ("Parquet", "curated.parquet", ()),
)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.curated_export", description=__doc__)
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--samples", type=int, default=1)
    options = parser.parse_args()
    print(describe_machine(machine()))
    print("| export to | examples | samples | seconds | seconds of CPU | memory, MiB |")
    print("|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker(Path(folder) / "kafka") as broker:
        cluster = load().with_broker(broker.address).kafka.cluster()
        create_topics(cluster)
        _write(cluster, _examples(options.examples, options.samples))
        for name, file, more in _WAYS:
            taken = timed_command(
                *("export", "-o", f"{folder}/{file}", *more, "--json", "--broker", broker.address)
            )
            [report] = map(json.loads, taken.printed)
            figures = f"{report['examples']:,} | {options.samples} | {taken.seconds:.0f}"
            print(f"| {name} | {figures} | {taken.cpu:.0f} | {taken.memory:.0f} |", flush=True)


def _examples(count: int, samples: int) -> Iterator[Example]:
    chance = random.Random(1)
    words = [f"{chance.getrandbits(24):x}" for _ in range(20_000)]

    def text(characters: int) -> str:
        return " ".join(chance.choices(words, k=characters // 6))[:characters].strip()

    for number in range(count):
        made = Provenance(
            source=f"docs/{number % 3000}/{number % 7}.md",
            document_id=f"document-{number // 5}",
            segment_id=f"segment-{number}",
        )
        others = tuple(
            Alternative(id=f"{number:030x}-{other}", instruction=text(60), rating=_rating(chance))
            for other in range(1, samples)
        )
        yield Example(
            id=f"{number:032x}",
            instruction=text(60),
            response=text(_CHARACTERS),
            origin=ExampleOrigin.AUGMENTED,
            rating=_rating(chance),
            provenance=made,
            alternatives=others,
        )


def _rating(chance: random.Random) -> Rating:
    return Rating(
        score=chance.uniform(4, 5),
        probabilities=(0.0, 0.0, 0.1, 0.4, 0.5),
        precision=0.8,
        release="bench",
        template="bench",
        evidence={f"figure_{number}": chance.random() for number in range(10)},
    )


def _write(cluster: Cluster, examples: Iterator[Example]) -> None:
    producer = KafkaProducer(**cluster.client, linger_ms=50)
    for example in examples:
        value, key = encode(example), example.id.encode()
        producer.send(cluster.topic(CURATED), value, key, headers=headers_for(Example))
    producer.flush()
    producer.close()


if __name__ == "__main__":
    main()
