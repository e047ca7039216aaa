"""The hop: what one record costs from topic to topic, in Backstream and in other programs.

Every measurement reads the same documents in a consumer group and a process of its own, and writes
to ``segments`` through an idempotent producer with acks=all, unless it only reads. The event loop
is uvloop's in all of them.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from yarl import URL

from bench.process import Cost, State, watch
from schemas.errors import BackstreamError
from schemas.records import Document, Offset, Segment
from streams.kafka.topics import DOCUMENTS, SEGMENTS
from streams.kafka.writing.producer import DELIVERY
from streams.kafka.writing.writer import KafkaWriter
from streams.settings import KafkaSettings, Settings
from streams.stages.agent.protocol import Agent, Processing
from streams.stages.consumer.faust_app import StageApp
from streams.stages.harness.stage import Stage
from streams.stages.metrics import Metrics
from streams.stages.topology import STAGES, StageSpec

_POLL_RECORDS = 500


@dataclass(slots=True)
class Tick:
    """How many records a measured program has done."""

    records: int = 0


async def bare_aiokafka(settings: Settings, first: int, total: int) -> Cost:
    """Read, send, wait for the batch's acknowledgements, commit.

    This is the least that delivers every record.
    """
    kafka, tick = settings.kafka, Tick()
    consumer = AIOKafkaConsumer(
        DOCUMENTS.name,
        **kafka.client(),
        group_id=kafka.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    async with _producer(kafka) as producer, consumer:

        async def copy() -> None:
            while tick.records < total:
                batches = await consumer.getmany(timeout_ms=1000, max_records=_POLL_RECORDS)
                sent = [
                    await producer.send(SEGMENTS.name, r.value, r.key)
                    for batch in batches.values()
                    for r in batch
                ]
                await asyncio.gather(*sent)
                if sent:
                    await consumer.commit()
                tick.records += len(sent)

        return await _watch_task(copy(), tick, first, total)


async def faust_reading(settings: Settings, first: int, total: int) -> Cost:
    """Faust reads and acknowledges as it does by itself; nothing is done with the records."""
    tick = Tick()

    async def read(stream: Any) -> None:
        async for _ in stream:
            tick.records += 1

    return await _in_faust(settings.kafka, read, tick, first, total)


async def faust_and_producer(settings: Settings, first: int, total: int) -> Cost:
    """Read with faust, and send with aiokafka's producer.

    A task for each record acknowledges it after the broker has acknowledged the output.
    """
    tick, places = Tick(), asyncio.Semaphore(settings.kafka.in_flight)
    tasks: set[asyncio.Task[None]] = set()
    async with _producer(settings.kafka) as producer:

        async def copy(event: Any) -> None:
            await (await producer.send(SEGMENTS.name, event.message.value, event.message.key))
            event.ack()
            tick.records += 1
            places.release()

        async def read(stream: Any) -> None:
            async for event in stream.noack().events():
                await places.acquire()
                task = asyncio.create_task(copy(event))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

        return await _in_faust(settings.kafka, read, tick, first, total)


async def backstream_stage(settings: Settings, first: int, total: int) -> Cost:
    """Our harness as the segmenter runs: the agent is called in line."""
    return await _backstream(settings, STAGES[0], first, total)


async def backstream_model_stage(settings: Settings, first: int, total: int) -> Cost:
    """Our harness as the model stages run.

    Each record has a task and a time limit, and fewer records are in flight.
    """
    return await _backstream(settings, STAGES[1], first, total)


Hop = Callable[[Settings, int, int], Coroutine[Any, Any, Cost]]


class _ConstantAgent:
    """Makes one segment of one document, validated, without looking at the text."""

    async def handle(self, document: Document, at: Offset | None = None) -> list[Segment]:
        return [
            Segment(
                id=document.id,
                document_id=document.id,
                source=document.source,
                document_at=at,
                position=0,
                headings=("A heading",),
                text=document.text,
            )
        ]


async def _backstream(settings: Settings, like: StageSpec, first: int, total: int) -> Cost:
    """Decode, validate, track, agent, encode, send, acknowledge, commit."""
    agent = _ConstantAgent()

    async def agent_of(partition: int) -> Agent:
        return agent

    def fail(error: BaseException) -> None:
        raise BackstreamError(f"the stage failed: {error}") from error

    async with KafkaWriter(settings.kafka.cluster()) as writer:
        stage = Stage(
            "hop",
            Processing(STAGES[0].decode, agent_of),
            writer,
            fail,
            like.policy(settings),
            Metrics(),
        )
        app = StageApp(stage, DOCUMENTS, settings.kafka)

        def state() -> State:
            done = sum(stage.offsets.committable().values())  # each partition begins at 0
            return State(done, done >= total)

        await app.start()
        try:
            return await watch(state, first)
        finally:
            await app.stop(10.0)


async def _in_faust(
    kafka: KafkaSettings, read: Callable[[Any], Awaitable[None]], tick: Tick, first: int, total: int
) -> Cost:
    """Run a faust app with the settings of our own, and what it reads with."""
    with tempfile.TemporaryDirectory() as directory:
        app = faust.App(
            kafka.group,
            broker=[URL(f"aiokafka://{kafka.bootstrap_servers}")],
            loop=asyncio.get_running_loop(),
            datadir=directory,
            autodiscover=False,
            web_enabled=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            reply_create_topic=False,
            store="memory://",
            consumer_auto_offset_reset="earliest",
            stream_wait_empty=False,
            stream_buffer_maxsize=2 * kafka.in_flight,
            broker_commit_interval=kafka.commit_seconds,
            broker_max_poll_records=_POLL_RECORDS,
            logging_config=None,
        )
        raw = {
            "key_type": bytes,
            "value_type": bytes,
            "key_serializer": "raw",
            "value_serializer": "raw",
        }
        app.agent(app.topic(DOCUMENTS.name, **raw), name="hop")(read)
        app.finalize()
        await app.start()
        try:
            return await watch(lambda: State(tick.records, tick.records >= total), first)
        finally:
            await app.stop()


async def _watch_task(work: Any, tick: Tick, first: int, total: int) -> Cost:
    async with asyncio.TaskGroup() as group:
        group.create_task(work)
        return await watch(lambda: State(tick.records, tick.records >= total), first)


def _producer(kafka: KafkaSettings) -> AIOKafkaProducer:
    return AIOKafkaProducer(**kafka.client(), **DELIVERY)
