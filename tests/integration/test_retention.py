"""What retention deletes before a stage has read it: warned of before, written down after."""

import asyncio
import time

from schemas.records import Document
from streams.kafka.reading.replay import replay
from streams.kafka.topics import DOCUMENTS, REJECTED
from streams.observe.audit import audit
from streams.observe.lag import FlowReader
from streams.observe.retention import RetentionWatch
from streams.settings import Settings
from streams.stages.harness.deleted_unread import DeletedUnread
from tests.integration.segmenting import segmenting
from tests.integration.topics import Topics
from tests.integration.waiting import wait_until


def _documents(count: int) -> list[Document]:
    return [Document(id=f"d{number}", source="s", text="A text. " * 100) for number in range(count)]


def _check(topics: Topics, watch: RetentionWatch) -> list[str]:
    with FlowReader(topics.cluster) as reader:
        return watch.check(reader.read())


def test_unread_messages_that_are_almost_as_old_as_the_topic_keeps_them(topics: Topics) -> None:
    topics.write(*_documents(2), age_days=6)  # of seven
    topics.write(*_documents(3), age_days=5)
    topics.commit("segmenter", DOCUMENTS, 1)
    (line,) = _check(topics, watch := RetentionWatch(topics.cluster))
    name = topics.cluster.topic(DOCUMENTS)
    assert line == (
        f"WARNING: 1 unread message of {name} close to deletion: the topic keeps messages for "
        "7 days, and the segmenter has not read them. Add workers, or raise retention.ms of the "
        "topic"
    )
    assert _check(topics, watch) == [], "once in ten minutes"
    topics.commit("segmenter", DOCUMENTS, 2)
    assert _check(topics, RetentionWatch(topics.cluster)) == [], "the old ones are read"


def test_a_stage_that_is_too_slow_for_what_it_has_to_do(topics: Topics) -> None:
    topics.configure(DOCUMENTS, retention_ms=3_600_000)
    topics.write(*_documents(200))
    start = time.time()
    now = [start]
    watch = RetentionWatch(topics.cluster, lambda: now[0])
    assert _check(topics, watch) == []
    topics.commit("segmenter", DOCUMENTS, 2)
    now[0] += 120
    (line,) = _check(topics, watch)
    assert "198 unread messages" in line
    assert (
        "keeps messages for 60 min, and at its present rate the segmenter needs about 3.3 h" in line
    )
    topics.commit("segmenter", DOCUMENTS, 190)
    now[0] += 700
    assert _check(topics, watch) == [], "the rest takes less than a minute"


def test_unread_messages_that_fill_a_partition(topics: Topics) -> None:
    topics.configure(DOCUMENTS, retention_bytes=6000)
    topics.write(*_documents(8))
    (line,) = _check(topics, RetentionWatch(topics.cluster))
    assert "8 unread messages" in line
    assert "fill most of the 6,000 bytes that the topic keeps in a partition" in line
    topics.commit("segmenter", DOCUMENTS, 5)
    assert _check(topics, RetentionWatch(topics.cluster)) == []


def test_messages_that_were_deleted_unread_are_told_once(topics: Topics) -> None:
    topics.write(*_documents(5))
    topics.cut(DOCUMENTS, 2)
    watch = RetentionWatch(topics.cluster)
    assert _check(topics, watch) == [], "no stage has ever read them: they may be older than it"
    topics.commit("segmenter", DOCUMENTS, 1)
    name = topics.cluster.topic(DOCUMENTS)
    lost = f"LOST: 1 message of {name}/0 deleted by its retention before the segmenter had"
    assert _check(topics, watch) == [f"{lost} processed them"]
    assert _check(topics, watch) == []
    topics.cut(DOCUMENTS, 3)
    assert "LOST: 2 messages" in _check(topics, watch)[0]


def test_a_stage_writes_down_what_was_deleted_before_it_goes_on(
    topics: Topics, settings: Settings
) -> None:
    topics.write(*_documents(10))
    topics.commit("segmenter", DOCUMENTS, 2)
    topics.cut(DOCUMENTS, 5)
    asyncio.run(_go_on(topics, settings))
    with FlowReader(topics.cluster) as reader:
        assert reader.read().stages[0].deleted_unread == 0, "the broker does not know it any more"
        account = audit(topics.cluster, reader.committed())
    place = topics.cluster.topic(DOCUMENTS)
    assert account.deleted_unread == (DeletedUnread("segmenter", place, 0, first=2, count=3),)
    assert account.stages[0].rejected == account.stages[0].ids == 5, "too short, all of them"
    assert not account.complete

    asyncio.run(_go_on(topics, settings))
    assert sum(1 for _ in replay(topics.cluster, REJECTED)) == 6, "written once"


async def _go_on(topics: Topics, settings: Settings) -> None:
    """Run the segmenter until it has committed everything."""

    def done() -> bool:
        with FlowReader(topics.cluster) as reader:
            return reader.committed().get(("segmenter", place.topic, place.partition)) == 10

    place = topics.place(DOCUMENTS)
    async with segmenting(settings):
        await asyncio.to_thread(wait_until, done)
