"""An older and a newer worker share the partitions, and a rollback to the older one alone."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgpack
import pytest
from kafka import KafkaProducer

from schemas.records import Candidate, Example
from schemas.release import Release
from schemas.wire import encode, header_map
from streams.data.dataset import snapshot
from streams.data.feed import feed
from streams.kafka.messages import Received
from streams.kafka.reading.replay import replay
from streams.kafka.topics import (
    CANDIDATES,
    CURATED,
    DEAD_LETTERS,
    REJECTED,
    RELEASES,
    SCORED,
    SEGMENTS,
    Topic,
)
from streams.observe.audit import Audit, audit
from streams.observe.lag import FlowReader
from tests.integration.conftest import wait_until_idle
from tests.integration.documents import notes
from tests.integration.newer_version import Changes, Version, newer_version, stop
from tests.integration.unreadable import GOOD

NEW_FIELDS: Changes = {
    "records.py": [
        ('    name: ClassVar[str] = "segment"\n', '    script: str = "Latn"\n'),
        ('    name: ClassVar[str] = "candidate"\n', "    attempts: int = 1\n"),
        ('    name: ClassVar[str] = "example"\n', '    tags: tuple[str, ...] = ("new",)\n'),
    ],
    "provenance.py": [
        ('    """A model\'s rating of a pair, 1 to 5."""\n', "    difficulty: float = 0.5\n"),
    ],
}
NEW_FIELDS = {
    file: [(old, f"{old}\n{new}") for old, new in pairs] for file, pairs in NEW_FIELDS.items()
}
NEW_SCHEMA: Changes = {
    "records.py": [
        (
            '    name: ClassVar[str] = "segment"\n',
            '    name: ClassVar[str] = "segment"\n    version: ClassVar[int] = 2\n',
        )
    ],
    # It reads what the version before has written.
    "wire.py": [
        (
            "if found is None or found == _schema_of(type_):",
            'if found is None or found in (_schema_of(type_), b"segment/1"):',
        )
    ],
}


@pytest.fixture
def older(settings, tmp_path: Path, house) -> Version:
    """This version."""
    return Version(newer_version(_directory(tmp_path, "older"), {}), settings)


def _directory(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def _values(settings, topic: Topic) -> list[tuple[bytes, dict[str, Any]]]:
    """Schema and value of each message with msgpack's."""
    return [
        (header_map(received.headers)["schema"], msgpack.unpackb(received.value))
        for received in replay(settings.kafka.cluster(), topic)
        if received.value is not None
    ]


def _letters(settings) -> list[Received]:
    return list(replay(settings.kafka.cluster(), DEAD_LETTERS))


def _audit(settings) -> Audit:
    cluster = settings.kafka.cluster()
    with FlowReader(cluster) as reader:
        return audit(cluster, reader.committed())


def _write_newer_records(settings) -> None:
    """One record of the next schema version on each topic of candidates, examples, releases."""
    cluster = settings.kafka.cluster()
    producer = KafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers)
    for topic, record in ((CANDIDATES, Candidate), (CURATED, Example), (RELEASES, Release)):
        headers = [("schema", f"{record.name}/2".encode())]
        value = encode(GOOD[record]("newer"))
        producer.send(cluster.topic(topic), value, b"newer", headers=headers, partition=0)
    producer.flush()
    producer.close()


@pytest.mark.slow
def test_an_older_and_a_newer_worker_share_the_work(settings, older: Version, tmp_path: Path):
    newer = Version(newer_version(_directory(tmp_path, "newer"), NEW_FIELDS), settings)
    cluster = settings.kafka.cluster()
    _write_newer_records(settings)
    with older.worker() as old, newer.worker() as new:
        feed(cluster, notes(range(32)))
        wait_until_idle(settings, 32)
        by_newer = Counter("script" in value for _, value in _values(settings, SEGMENTS))
        assert by_newer[True], "the newer worker has partitions"
        assert by_newer[False], "the older worker has partitions"
        assert _audit(settings).complete

        # A rollback: the older worker takes over the partitions, and the state of the curator.
        stop(new)
        feed(cluster, notes(range(32, 44)))
        wait_until_idle(settings, 44)
        assert old.poll() is None
    written = Counter("script" in value for _, value in _values(settings, SEGMENTS))
    assert written[True] == by_newer[True]

    account = _audit(settings)
    assert account.complete
    assert {stage.in_flight for stage in account.stages} == {0}
    assert account.stages[0].ids == account.stages[0].followed == 44
    [letter] = _letters(settings)
    told = header_map(letter.headers)
    assert told["backstream.stage"] == b"scorer"
    assert b"candidate/2" in told["__streams.errors.message"]
    assert snapshot(cluster), "examples are kept"
    # A worker drops the fields that it does not know where it writes the record on.
    passed_on = [value["candidate"] for _, value in _values(settings, SCORED)]
    assert any("attempts" not in value for value in passed_on)


@pytest.mark.slow
def test_a_new_schema_is_a_dead_letter_in_the_older_worker_until_that_is_upgraded(
    settings, older: Version, tmp_path: Path
):
    newer = Version(newer_version(_directory(tmp_path, "newer"), NEW_SCHEMA), settings)
    cluster = settings.kafka.cluster()
    with older.worker() as old, newer.worker() as new:
        feed(cluster, notes(range(32)))
        wait_until_idle(settings, 32)
        schemas = Counter(schema for schema, _ in _values(settings, SEGMENTS))
        assert schemas[b"segment/1"], "the older worker has partitions"
        assert schemas[b"segment/2"], "the newer worker has partitions"
        stop(new)
        feed(cluster, notes(range(32, 36)))
        wait_until_idle(settings, 36)
        stop(old)
    letters = _letters(settings)
    assert letters, "the older worker had partitions with records of the new schema"
    for letter in letters:
        told = header_map(letter.headers)
        assert told["backstream.stage"] == b"backward"
        assert b"schema 'segment/2'" in told["__streams.errors.message"]
    # The older version cannot read what would prove it; the newer one proves that nothing is lost.
    assert _audit(settings).unreadable.counts == {cluster.topic(SEGMENTS): schemas[b"segment/2"]}
    assert newer.json("audit")["complete"]

    with newer.worker():
        assert "sent back" in newer.run("dead-letters", "replay", "all")
        wait_until_idle(settings, 36)
    assert len(_letters(settings)) == len(letters), "none died again"
    found = newer.json("audit")
    assert found["complete"]
    written = {value["provenance"]["document_id"] for _, value in _values(settings, CANDIDATES)}
    refused = {value["document_id"] for _, value in _values(settings, REJECTED)}
    assert written | refused == {document.id for document in notes(range(36))}
    assert len(written) > 30
