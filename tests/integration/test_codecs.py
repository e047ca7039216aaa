"""Every codec on every topic, by librdkafka and by Kafka's console producer, to every reader.

The console producer takes seconds to start. It writes one batch with a record of each type for each
codec, and its batches are copied to the topics byte for byte. So each reader also meets the records
of other types in its batches, which it passes over.
"""

import asyncio
import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest
from confluent_kafka import Producer
from kafka import OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from typer.testing import CliRunner

from schemas.record import Record
from schemas.records import Document, Example, HumanRating, Scored, Segment
from schemas.release import Release
from schemas.wire import encode, headers_for
from streams.cli.main import app
from streams.data.changes import changes, newest
from streams.data.dataset import snapshot
from streams.data.ratings import pairs_to_rate, read_ratings
from streams.kafka.admin.creation import create_topics
from streams.kafka.cluster import Cluster
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.kafka.reading.consumers import Consumer
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay, replay_partition, replay_processed
from streams.kafka.topics import (
    CURATED,
    DEAD_LETTERS,
    SCORED,
    SEGMENTS,
    TOPICS,
    topic_of,
)
from streams.observe.audit import audit
from streams.releases.announcements import read_releases
from streams.releases.following import follow_in_service
from streams.settings import Settings, load
from streams.stages.topology import STAGES
from streams.trainer.curated_set import CuratedSet
from streams.trainer.service import TrainerService
from streams.worker.worker import Worker
from tests.integration.conftest import passage
from tests.integration.console_producer import console_produce
from tests.integration.producing import produce_raw
from tests.integration.unreadable import GOOD
from tests.raw_batches import CODECS

_PREFIX = "codecs."
_RECORDS = [topic.record for topic in TOPICS if topic.record is not None]
_SECONDS = 180


def _record(kind: type[Record], name: str) -> Record:
    if kind is Document:
        return Document(id=name, source=name, text=passage(sum(map(ord, name))))
    return GOOD[kind](name)


def _ids(kind: type[Record]) -> list[str]:
    """The ids of the records of a type, in the order in which they were written."""
    return [f"{kind.name}-{by}-{codec}" for by in ("librdkafka", "console") for codec in CODECS]


@dataclass
class Written:
    """Topics that hold a record of their type for each codec and producer."""

    settings: Settings

    @property
    def cluster(self) -> Cluster:
        return self.settings.kafka.cluster()


@pytest.fixture(scope="module")
def written(broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Written:
    directory = tmp_path_factory.mktemp("codecs")
    settings = load(
        None,
        {"state_dir": directory},
        (f"kafka.topic_prefix={_PREFIX}", "training.min_examples=1000000"),
    ).with_broker(broker.address)
    cluster = settings.kafka.cluster()
    create_topics(cluster)
    for codec in CODECS:
        _write_by_librdkafka(cluster, codec)
    for codec in CODECS:
        batch = _batch_of_the_console_producer(broker, codec)
        for topic in TOPICS:
            asyncio.run(produce_raw(cluster, cluster.topic(topic), [batch]))
    return Written(settings)


def _write_by_librdkafka(cluster: Cluster, codec: str) -> None:
    producer = Producer({"bootstrap.servers": cluster.address, "compression.codec": codec})
    for kind in _RECORDS:
        record = _record(kind, f"{kind.name}-librdkafka-{codec}")
        producer.produce(
            cluster.topic(topic_of(kind)),
            encode(record),
            record.id,
            partition=0,
            headers=[*headers_for(kind)],
        )
    producer.produce(cluster.topic(DEAD_LETTERS), b"x", b"librdkafka", partition=0)
    assert producer.flush(_SECONDS) == 0


def _batch_of_the_console_producer(broker: EmbeddedBroker, codec: str) -> bytes:
    records = [_record(kind, f"{kind.name}-console-{codec}") for kind in _RECORDS]
    topic = f"{_PREFIX}console.{codec}"
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    admin.create_topics([NewTopic(name=topic, num_partitions=1, replication_factor=1)])
    admin.close()
    lines = (
        f"schema:{headers_for(type(r))[0][1].decode()},content-type:application/json\t"
        f"{r.id}\t{r.model_dump_json()}"
        for r in records
    )
    console_produce(broker.address, topic, codec, lines)
    (log,) = broker.directory.glob(f"**/{topic}-0/*.log")
    batch = log.read_bytes()
    assert int.from_bytes(batch[8:12], "big") == len(batch) - 12, "one batch"
    assert batch[22] & 7 == CODECS[codec][0]
    return batch


def _restored(written: Written) -> list[str]:
    """The ids that ``replay_processed`` reads."""
    cluster, group = written.cluster, f"{_PREFIX}processed"
    place = TopicPartition(cluster.topic(SCORED), 0)
    with Consumer(**cluster.client, group_id=group) as consumer:
        consumer.assign([place])
        consumer.commit({place: OffsetAndMetadata(consumer.end_offsets([place])[place], "", -1)})

    async def read() -> list[str]:
        reader = RecordReader()
        messages = replay_processed(cluster, SCORED, 0, group, 1000)
        read = [reader.read_record(message, Scored) async for message in messages]
        return [record.id for record in read if record is not None]

    return asyncio.run(read())


def _of_a_partition(written: Written) -> list[str]:
    async def read() -> list[str]:
        reader = RecordReader()
        messages = replay_partition(written.cluster, CURATED, 0)
        read = [reader.read_entry(message, Example) async for message in messages]
        return [entry.id for entry in read if entry is not None]

    return asyncio.run(read())


def _changes(written: Written) -> list[str]:
    return [change.id for change in islice(changes(written.cluster, {}), len(_ids(Example)))]


def _exported(written: Written) -> list[str]:
    file = written.settings.state_dir / "curated.jsonl"
    broker = ["--broker", written.cluster.address, "-s", f"kafka.topic_prefix={_PREFIX}"]
    done = CliRunner().invoke(app, ["export", "-o", str(file), *broker])
    assert done.exit_code == 0, done.output
    return [json.loads(line)["id"] for line in file.read_text().splitlines()]


def _audited(written: Written) -> list[str]:
    account = audit(written.cluster, {})
    assert not any(stage.lost for stage in account.stages)
    assert account.rejections == {("scorer", "bad"): len(_ids(Segment))}
    return ["audited"]


READERS: dict[str, tuple[Callable[[Written], list[str]], list[str]]] = {
    "snapshot": (lambda w: [e.id for e in snapshot(w.cluster)], _ids(Example)),
    "newest": (lambda w: [c.id for c in newest(w.cluster)], _ids(Example)),
    "changes": (_changes, _ids(Example)),
    "export": (_exported, _ids(Example)),
    "replay_partition": (_of_a_partition, _ids(Example)),
    "replay_processed": (_restored, _ids(Scored)),
    "read_ratings": (lambda w: [r.id for r in read_ratings(w.cluster)], _ids(HumanRating)),
    "pairs_to_rate": (
        lambda w: sorted(p.id for p in pairs_to_rate(w.cluster, 100)),
        sorted(_ids(Scored)),
    ),
    "read_releases": (lambda w: [r.id for r in read_releases(w.cluster)], _ids(Release)),
    "audit": (_audited, ["audited"]),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_reads_every_codec(reader: str, written: Written) -> None:
    read, expected = READERS[reader]
    assert read(written) == expected


@pytest.mark.parametrize("kind", _RECORDS, ids=lambda kind: kind.name)
def test_every_topic_is_read(kind: type[Record], written: Written) -> None:
    reader = RecordReader()
    read = (reader.read_record(r, kind) for r in replay(written.cluster, topic_of(kind)))
    assert [record.id for record in read if record is not None] == _ids(kind)


def test_dead_letters_are_read(written: Written) -> None:
    letters = list(replay(written.cluster, DEAD_LETTERS))
    assert len(letters) == len(CODECS) * (1 + len(_RECORDS))
    assert all(letter.undecodable is None for letter in letters)


async def test_a_worker_follows_releases_of_every_codec(written: Written) -> None:
    async with aclosing(follow_in_service(written.cluster, "base", RecordReader())) as releases:
        assert (await anext(releases))[0].id == _ids(Release)[-1]


def test_the_trainer_takes_in_every_codec(written: Written, house: Path) -> None:
    trainer = TrainerService(written.settings, house, lambda event: None)
    running = threading.Thread(target=trainer.run)
    running.start()
    try:
        deadline, found = time.monotonic() + _SECONDS, 0
        while found < len(_ids(Example)) and running.is_alive() and time.monotonic() < deadline:
            time.sleep(0.1)
            found = _count(written.settings.dataset_file)
    finally:
        trainer.stop()
        running.join(_SECONDS)
    with CuratedSet(written.settings.dataset_file) as curated:
        assert [example.id for example in curated.examples()] == _ids(Example)


def _count(dataset: Path) -> int:
    """The number of examples that the trainer has written so far."""
    with contextlib.suppress(sqlite3.OperationalError):  # there is no file or no table yet
        database = sqlite3.connect(f"file:{dataset}?mode=ro", uri=True)
        with contextlib.closing(database):
            return database.execute("SELECT count(*) FROM examples").fetchone()[0]
    return 0


async def test_a_stage_reads_every_codec(written: Written) -> None:
    # The last test here: it writes to ``segments`` and ``dead-letters``.
    expected = set(_ids(Document))
    worker, found = Worker(written.settings, STAGES[:1]), set[str]()
    running = asyncio.create_task(worker.run({}))

    def read() -> set[str]:
        reader = RecordReader()
        segments = (reader.read_record(r, Segment) for r in replay(written.cluster, SEGMENTS))
        return {segment.document_id for segment in segments if segment is not None}

    deadline = time.monotonic() + _SECONDS
    while not expected <= found and not running.done() and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        found = await asyncio.to_thread(read)
    worker.stop()
    await running
    assert expected <= found
    letters = await asyncio.to_thread(lambda: list(replay(written.cluster, DEAD_LETTERS)))
    foreign = [letter for letter in letters if _stage_of(letter.headers) == b"segmenter"]
    assert len(foreign) == len(CODECS) * (len(_RECORDS) - 1)


def _stage_of(headers: object) -> bytes | None:
    return dict(headers).get("backstream.stage")  # type: ignore[call-overload]
