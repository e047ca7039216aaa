"""The clients of ``docs/how-to/own-kafka.md``, unchanged but for the broker and the topics.

An interpreter that cannot import the project runs the producer and the consumer.
"""

import subprocess
import sys
from pathlib import Path

from kafka import KafkaProducer

from documentation.blocks import blocks
from schemas.records import Example, ExampleOrigin
from streams.data.feed import seed
from streams.kafka.cluster import Cluster
from streams.kafka.reading.replay import replay
from streams.kafka.topics import CURATED
from streams.settings import Settings
from tests.integration.conftest import passage, wait_until_idle

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-kafka.md"
PRODUCE, CONSUME, FOLLOW = (block.code for block in blocks(PAGE) if block.language == "python")


def here(code: str, settings: Settings) -> str:
    """The code with the broker and the topics of this test."""
    prefix, address = settings.kafka.topic_prefix, settings.kafka.bootstrap_servers
    for there, changed in (
        ('connect("localhost:9092")', f'connect("{address}", topic_prefix="{prefix}")'),
        ('"localhost:9092"', f'"{address}"'),
        ('"documents"', f'"{prefix}documents"'),
        ('"curated"', f'"{prefix}curated"'),
    ):
        code = code.replace(there, changed)
    return code


def run_alone(code: str, settings: Settings, directory: Path) -> str:
    """Run with the site packages only: in isolated mode, without the project's finder."""
    alone = (
        "import sys; sys.meta_path = [f for f in sys.meta_path if 'editable' not in "
        "repr(f).lower()]\n" + here(code, settings)
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", alone],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def consume_alone(settings: Settings, directory: Path) -> list[str]:
    """Return the lines that the page's consumer prints. Here it ends when nothing arrives."""
    once = CONSUME.replace(
        'auto_offset_reset="earliest"', 'auto_offset_reset="earliest", consumer_timeout_ms=5000'
    )
    assert once != CONSUME
    return run_alone(once, settings, directory).splitlines()


def test_a_foreign_producer_and_consumer(settings, start_worker, tmp_path):
    bodies = (
        passage(number).split("\n\n")[1:] for number in range(8)
    )  # several: the model refuses some
    sections = "".join(f"<h1>A note</h1>{''.join(f'<p>{p}</p>' for p in body)}" for body in bodies)
    (tmp_path / "page.html").write_text(f"<html><body>{sections}</body></html>")
    run_alone(PRODUCE, settings, tmp_path)
    start_worker().wait_until_ready()
    wait_until_idle(settings, 1)
    kept = sum(1 for _ in replay(settings.kafka.cluster(), CURATED))
    assert 1 <= kept <= 8
    assert len(consume_alone(settings, tmp_path)) == kept


def test_a_foreign_consumer_sees_values_and_retractions(settings, tmp_path):
    cluster = settings.kafka.cluster()
    seed(cluster, [seed_example("a"), seed_example("b")])
    retract(cluster, "a")
    assert consume_alone(settings, tmp_path) == [
        "a Why a?",
        "b Why b?",
        "a None",
    ]


def test_the_dataset_follows(settings):
    cluster = settings.kafka.cluster()
    seed(cluster, [seed_example("a")])
    command = [
        sys.executable,
        "-u",
        "-c",
        here(FOLLOW, settings),
    ]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "a None Why a?\n"
            seed(cluster, [seed_example("b")])
            assert process.stdout.readline() == "b None Why b?\n"
        finally:
            process.kill()


def seed_example(id: str) -> Example:
    return Example(id=id, instruction=f"Why {id}?", response="So.", origin=ExampleOrigin.SEED)


def retract(cluster: Cluster, id: str) -> None:
    producer = KafkaProducer(**cluster.client, acks="all")
    producer.send(cluster.topic(CURATED), None, id.encode())
    producer.close()
