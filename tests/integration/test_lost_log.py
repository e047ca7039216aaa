"""A partition that ends before what was read of it: its log was lost, or its topic made anew."""

import asyncio
import threading
import time
from pathlib import Path

from kafka.admin import KafkaAdminClient

from schemas.records import Document, Example, ExampleOrigin
from streams.kafka.admin.creation import create_topics
from streams.kafka.reading.replay import replay, replay_partition
from streams.kafka.topics import DOCUMENTS
from streams.observe.audit import audit
from streams.observe.lag import FlowReader
from streams.settings import Settings
from streams.trainer.curated_set import CuratedSet
from streams.trainer.service import TrainerService
from tests.integration.segmenting import segmenting
from tests.integration.topics import Topics
from tests.integration.waiting import wait_until


def _documents(start: int, end: int) -> list[Document]:
    return [
        Document(id=f"d{number}", source="s", text="A text. " * 100) for number in range(start, end)
    ]


def _committed(topics: Topics) -> int | None:
    with FlowReader(topics.cluster) as reader:
        place = topics.place(DOCUMENTS)
        return reader.committed().get(("segmenter", place.topic, place.partition))


async def _until_committed(topics: Topics, offset: int) -> None:
    await asyncio.to_thread(wait_until, lambda: _committed(topics) == offset, 60)


def _make_anew(topics: Topics) -> None:
    """Delete the topic of documents and create it again."""
    admin = KafkaAdminClient(**topics.cluster.client)
    admin.delete_topics([topics.cluster.topic(DOCUMENTS)])
    admin.close()
    wait_until(lambda: _is_created(topics))


def _is_created(topics: Topics) -> bool:
    try:
        create_topics(topics.cluster)
    except Exception:  # it is still being deleted
        time.sleep(0.2)
        return False
    return True


def _check_proof(topics: Topics, ids: int) -> None:
    with FlowReader(topics.cluster) as reader:
        account = audit(topics.cluster, reader.committed())
    assert account.complete, account
    assert account.stages[0].rejected == account.stages[0].ids == ids, account


def test_a_committed_offset_behind_the_end(topics: Topics, settings: Settings) -> None:
    topics.write(*_documents(0, 3))
    topics.commit("segmenter", DOCUMENTS, 1_000_000)
    with FlowReader(topics.cluster) as reader:
        assert reader.read().stages[0].lag == 3
        account = audit(topics.cluster, reader.committed())
    assert account.stages[0].in_flight == 3
    assert account.complete

    async def run() -> None:
        async with segmenting(settings):
            await _until_committed(topics, 3)

    asyncio.run(run())
    _check_proof(topics, 3)


def test_a_topic_that_is_made_anew_under_a_running_stage(
    topics: Topics, settings: Settings
) -> None:
    topics.write(*_documents(0, 5))

    async def run() -> None:
        async with segmenting(settings):
            await _until_committed(topics, 5)
            await asyncio.to_thread(_make_anew, topics)
            await asyncio.to_thread(topics.write, *_documents(5, 8))
            await _until_committed(topics, 3)

    asyncio.run(run())
    _check_proof(topics, 3)


def test_the_trainer_begins_again_where_curated_ends_before_its_offset(
    topics: Topics, settings: Settings, house: Path
) -> None:
    seed = Example(id="e1", instruction="Say it.", response="It.", origin=ExampleOrigin.SEED)
    topics.write(seed)
    with CuratedSet(settings.dataset_file) as curated:
        curated._database.execute("INSERT INTO offsets VALUES (0, 1000000)")
    trainer = TrainerService(settings, house, lambda event: None)
    running = threading.Thread(target=trainer.run)
    running.start()
    try:
        with CuratedSet(settings.dataset_file) as curated:
            wait_until(lambda: curated.offsets()[0] == 1)
            assert [example.id for example in curated.examples()] == ["e1"]
    finally:
        trainer.stop()
        running.join(180)


def test_a_replay_ends_although_its_topic_is_made_anew_meanwhile(topics: Topics) -> None:
    topics.write(*_documents(0, 4000))
    messages = replay(topics.cluster, DOCUMENTS)
    assert next(messages).offset == 0
    _make_anew(topics)
    assert sum(1 for _ in messages) < 3999


async def test_a_partition_that_is_made_anew_meanwhile_is_read_to_its_end(topics: Topics) -> None:
    topics.write(*_documents(0, 4000))
    messages = replay_partition(topics.cluster, DOCUMENTS, 0)
    assert (await anext(messages)).offset == 0
    await asyncio.to_thread(_make_anew, topics)
    assert len([received async for received in messages]) < 3999
