"""Transactions of other producers: aborted ones are not processed, open ones are waited for."""

import json
from typing import Any

import pytest
from confluent_kafka import Producer
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from schemas.records import Example, Segment
from schemas.wire import encode, headers_for
from streams.data.dataset import snapshot
from streams.kafka.cluster import Cluster
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay, replay_partition, replay_processed
from streams.kafka.topics import CURATED, DOCUMENTS, SEGMENTS, Topic
from streams.observe.audit import audit
from streams.observe.lag import FlowReader
from streams.settings import Settings
from tests.integration.conftest import passage
from tests.integration.segmenting import segmented, segmenting
from tests.integration.unreadable import GOOD

_SECONDS = 180


class Transactions:
    """A transactional producer of librdkafka."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._producer = Producer(
            {
                "bootstrap.servers": cluster.address,
                "transactional.id": f"{cluster.topic_prefix}tests",
                "transaction.timeout.ms": 60_000,
            }
        )
        self._producer.init_transactions(_SECONDS)

    def begin(self, topic: Topic, *messages: tuple[str, bytes, list[tuple[str, bytes]]]) -> None:
        """Write messages, by key, value and headers, in a transaction that stays open."""
        self._producer.begin_transaction()
        for key, value, headers in messages:
            self._producer.produce(
                self._cluster.topic(topic), value, key, partition=0, headers=list(headers)
            )
        self._producer.flush(_SECONDS)

    def commit(self) -> None:
        self._producer.commit_transaction(_SECONDS)

    def abort(self) -> None:
        self._producer.abort_transaction(_SECONDS)


@pytest.fixture
def transactions(settings: Settings) -> Transactions:
    return Transactions(settings.kafka.cluster())


def _document(number: int) -> tuple[str, bytes, list[tuple[str, bytes]]]:
    value = json.dumps({"text": passage(number), "source": f"notes/{number}"}).encode()
    return f"{number}", value, [("content-type", b"application/json")]


def _example(id: str) -> tuple[str, bytes, list[tuple[str, bytes]]]:
    return id, encode(GOOD[Example](id)), list(headers_for(Example))


def _sources(settings: Settings) -> list[str]:
    reader = RecordReader()
    read = (reader.read_record(r, Segment) for r in replay(settings.kafka.cluster(), SEGMENTS))
    return sorted({segment.source for segment in read if segment is not None})


def _lost(settings: Settings) -> Any:
    cluster = settings.kafka.cluster()
    with FlowReader(cluster) as reader:
        return audit(cluster, reader.committed()).stages[0].lost


async def test_aborted_documents_are_not_processed_and_markers_are_no_lag(settings, transactions):
    transactions.begin(DOCUMENTS, _document(1), _document(2))
    transactions.commit()
    transactions.begin(DOCUMENTS, _document(3), _document(4))
    transactions.abort()
    async with segmenting(settings):
        flow = await segmented(settings, 6)
        assert flow.stages[0].done == 6, "four documents and two markers"
        assert _sources(settings) == ["notes/1", "notes/2"]
        assert not _lost(settings)

        transactions.begin(DOCUMENTS, _document(5))
        flow = await segmented(settings, 6)
        assert flow.stages[0].lag == 0, "what is open is no lag"
        assert [one.held for one in flow.stages[0].partitions if one.held] == [1]
        assert not _lost(settings)

        transactions.commit()
        flow = await segmented(settings, 8)
        assert not any(one.held for one in flow.stages[0].partitions)
        transactions.begin(DOCUMENTS, _document(6))
        transactions.abort()
        await segmented(settings, 10)
    assert _sources(settings) == ["notes/1", "notes/2", "notes/5"]
    assert not _lost(settings)
    async with segmenting(settings):  # a restart reads nothing again
        await segmented(settings, 10)
    assert _sources(settings) == ["notes/1", "notes/2", "notes/5"]


async def test_uncommitted_documents_are_processed_where_that_is_set(settings, transactions):
    kafka = settings.kafka.model_copy(update={"isolation_level": "read_uncommitted"})
    settings = settings.model_copy(update={"kafka": kafka})
    transactions.begin(DOCUMENTS, _document(1))
    transactions.abort()
    transactions.begin(DOCUMENTS, _document(2))
    async with segmenting(settings):
        await segmented(settings, 3)
    assert _sources(settings) == ["notes/1", "notes/2"]
    transactions.abort()


async def test_no_reader_reads_aborted_or_open_transactions(settings, transactions):
    cluster = settings.kafka.cluster()
    transactions.begin(CURATED, _example("kept"))
    transactions.commit()
    transactions.begin(CURATED, _example("aborted"))
    transactions.abort()
    transactions.begin(CURATED, _example("open"))
    assert [example.id for example in snapshot(cluster)] == ["kept"]
    read = [received.key async for received in replay_partition(cluster, CURATED, 0)]
    assert read == [b"kept"]
    # What a group has committed may lie behind an open transaction, if it read uncommitted before.
    place = TopicPartition(cluster.topic(CURATED), 0)
    with KafkaConsumer(**cluster.client, group_id=f"{cluster.topic_prefix}before") as consumer:
        consumer.assign([place])
        consumer.commit({place: OffsetAndMetadata(5, "", -1)})
    processed = replay_processed(cluster, CURATED, 0, f"{cluster.topic_prefix}before", 100)
    assert [received.key async for received in processed] == [b"kept"]
    transactions.commit()
    assert [example.id for example in snapshot(cluster)] == ["kept", "open"]
