"""Unreadable messages: a dead letter each, and the stream continues.

``dead-letters replay`` sends them back.
"""

import asyncio
import json
import re
import urllib.request

import msgpack
from kafka import KafkaProducer
from typer.testing import CliRunner

from streams.cli.commands.dead_letters import app as dead_letters
from streams.data.dataset import snapshot
from streams.data.feed import feed
from streams.kafka.cluster import Cluster
from streams.kafka.reading.replay import replay
from streams.kafka.topics import (
    CURATED,
    DEAD_LETTERS,
    DECISIONS,
    DOCUMENTS,
    RELEASES,
    SCORED,
    TOPICS,
)
from streams.observe.audit import audit
from streams.observe.lag import FlowReader
from streams.stages.topology import STAGES
from tests.integration.conftest import WorkerProcess, passage, wait_until_idle
from tests.integration.documents import notes
from tests.integration.unreadable import unreadable, write_unreadable
from tests.unit.made_files import epub

RECORD = [("schema", b"document/1"), ("content-type", b"application/msgpack")]
POISON = {
    "truncated": (b"\x83\xa2id", RECORD),
    "hostile": (b"\xdd\xff\xff\xff\xff", RECORD),
    "another version": (
        msgpack.packb({"id": "a", "source": "s", "text": "t"}),
        [("schema", b"document/99")],
    ),
    "no text": (msgpack.packb({"id": "a", "source": "s"}), RECORD),
    "null": (None, []),
    "not UTF-8": (b"\xff\xfe\xfa", [("content-type", b"text/plain")]),
    "empty": (b"", [("content-type", b"text/plain")]),
    "unknown type": (b"PK\x03\x04", [("content-type", b"application/zip")]),
    "damaged PDF": (b"%PDF-1.7", [("content-type", b"application/pdf")]),
    "damaged EPUB": (b"PK\x03\x04", [("content-type", b"application/epub+zip")]),
    "not an object": (b"[1, 2]", [("content-type", b"application/json")]),
}


def test_each_poison_is_a_dead_letter_and_the_rest_goes_on(settings, start_worker):
    producer = KafkaProducer(
        bootstrap_servers=settings.kafka.bootstrap_servers, max_request_size=4_000_000
    )
    documents = settings.kafka.cluster().topic(DOCUMENTS)
    for name, (value, headers) in POISON.items():
        producer.send(documents, value, name.encode(), headers=headers, partition=0)
    nested = "<div>" * 100_000 + passage(1) + "</div>" * 100_000
    producer.send(documents, nested.encode(), headers=[("content-type", b"text/html")], partition=0)
    good = json.dumps({"text": passage(2), "source": "good.json"})
    producer.send(
        documents, good.encode(), headers=[("content-type", b"application/json")], partition=0
    )
    book = epub({"a": f"<p>{passage(3)}</p>"})
    headers_of_book = [("content-type", b"application/epub+zip")]
    producer.send(documents, book, b"book", headers=headers_of_book, partition=0)
    producer.flush()
    producer.close()

    start_worker().wait_until_ready()
    wait_until_idle(settings, len(POISON) + 3)

    cluster = settings.kafka.cluster()
    letters = {letter.key: letter for letter in replay(cluster, DEAD_LETTERS)}
    assert letters.keys() == {name.encode() for name in POISON}
    for name, (value, headers) in POISON.items():
        letter = letters[name.encode()]
        told = dict(letter.headers)
        assert letter.value == value
        assert told["__streams.errors.topic"] == documents.encode()
        assert told["__streams.errors.exception"] == b"schemas.errors.WireError"
        assert told["backstream.stage"] == b"segmenter"
        assert headers == [(h, told[h]) for h, _ in headers]
    with FlowReader(cluster) as reader:
        assert reader.read().messages["segments"] >= 2
        account = audit(cluster, reader.committed())
    assert account.complete
    assert account.stages[0].dead == len(POISON)

    # The command line lists them, shows one whole, and sends one back, byte for byte.
    broker = ["--broker", settings.kafka.bootstrap_servers]
    listed = CliRunner().invoke(dead_letters, ["list", "--json", *broker])
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    assert len(rows) == len(POISON)
    shown = CliRunner().invoke(dead_letters, ["show", rows[0]["at"], *broker])
    assert json.loads(shown.stdout)["stage"] == "segmenter"
    sent = CliRunner().invoke(dead_letters, ["replay", rows[0]["at"], *broker])
    assert sent.exit_code == 0
    wait_until_idle(settings, len(POISON) + 4)
    assert (
        sum(1 for _ in replay(cluster, DEAD_LETTERS)) == len(POISON) + 1
    )  # still poison: it died again


async def _poison(cluster: Cluster) -> None:
    for topic in TOPICS:
        await write_unreadable(cluster, topic)


def _unreadable_in(metrics: str) -> dict[str, int]:
    """The numbers of messages passed over, by topic, from the page of metrics."""
    found = re.findall(
        r'^backstream_unreadable_messages_total{topic="([^"]+)"} (\S+)', metrics, re.MULTILINE
    )
    return {topic: int(float(count)) for topic, count in found}


def test_poison_on_every_topic_stops_nothing_and_neither_does_a_restart(settings, house):
    cluster = settings.kafka.cluster()
    asyncio.run(_poison(cluster))
    settings = settings.model_copy(update={"metrics_port": 0})
    kept: set[str] = set()
    for run in range(2):
        feed(cluster, notes(range(5 * run, 5 * run + 5)))
        worker = WorkerProcess(settings, house)
        try:
            port = worker.wait_until_ready()["metrics_port"]
            wait_until_idle(settings, 5)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
                passed_over = _unreadable_in(page.read().decode())
        finally:
            worker.kill()
        assert passed_over[RELEASES.name] == len(unreadable(RELEASES))
        assert passed_over[CURATED.name] == len(unreadable(CURATED))
        assert passed_over.keys() <= {RELEASES.name, CURATED.name, SCORED.name, DECISIONS.name}
        with FlowReader(cluster) as reader:
            account = audit(cluster, reader.committed())
        assert account.complete
        assert [stage.dead for stage in account.stages] == [
            len(unreadable(spec.source)) for spec in STAGES
        ]
        before, kept = kept, {example.id for example in snapshot(cluster)}
        assert before < kept, "what is new goes through"
