"""A consumer whose client has stopped to work, against the broker."""

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.protocol.fetch import FetchRequest

from schemas.errors import BrokerError
from streams.data.feed import feed
from streams.kafka.reading.consumers import AsyncConsumer
from streams.kafka.topics import DOCUMENTS
from streams.observe.lag import FlowReader
from streams.settings import Settings
from streams.stages.consumer.stage_consumer import StageConsumer
from streams.stages.topology import STAGES
from streams.worker.worker import Worker
from tests.integration.documents import notes

_BROKEN = "a task of the Kafka client has ended: AttributeError"


def _break(consumer: AsyncConsumer) -> None:
    """Let the fetcher meet what it does not expect, when it plans its next requests."""

    def plan(assignment: Any) -> None:
        raise AttributeError("broken by the test")

    consumer._fetcher._get_actions_per_node = plan


async def _read(consumer: AsyncConsumer, place: TopicPartition) -> None:
    while True:
        await consumer.getmany(timeout_ms=100)


@pytest.mark.parametrize("read", [_read, AsyncConsumer.position])
async def test_a_consumer_whose_fetcher_has_ended_raises(settings: Settings, read: Any) -> None:
    cluster = settings.kafka.cluster()
    place = TopicPartition(cluster.topic(DOCUMENTS), 0)
    consumer = AsyncConsumer(**cluster.client, enable_auto_commit=False)
    await consumer.start()
    try:
        assert consumer.ended is None
        _break(consumer)
        consumer.assign([place])
        with pytest.raises(KafkaError, match=_BROKEN):
            await read(consumer, place)
    finally:
        await consumer.stop()
    assert consumer.ended is None, "it was stopped"
    assert not any(one.connected() for one in consumer._client._conns.values())


async def test_a_worker_whose_fetcher_has_ended_ends(settings: Settings) -> None:
    worker = Worker(settings, STAGES[:1])
    ready = asyncio.Event()
    running = asyncio.create_task(worker.run({}, on_ready=ready.set))
    await asyncio.wait_for(ready.wait(), 60)
    _break(_client(worker))
    with pytest.raises(BrokerError, match=f"its topic cannot be read: .*{_BROKEN}"):
        await asyncio.wait_for(running, 60)


async def test_a_worker_whose_partition_has_no_leader_is_not_ready(settings: Settings) -> None:
    kafka = settings.kafka.model_copy(update={"stalled_seconds": 3.0})
    worker = Worker(settings.model_copy(update={"kafka": kafka}), STAGES[:1])
    running = asyncio.create_task(worker.run({}))

    async def until(reason: str | None) -> None:
        async with asyncio.timeout(180):
            while (found := worker.not_ready) != reason:
                if reason and reason in (found or ""):
                    return
                assert not running.done()
                await asyncio.sleep(0.1)

    await until(None)
    fetcher = _client(worker)._fetcher
    fetcher._select_read_replica = lambda place: 99  # a broker that is away
    await until("segmenter: nothing could be fetched of")
    del fetcher._select_read_replica
    await until(None)
    worker.stop()
    await asyncio.wait_for(running, 60)


async def test_the_first_messages_are_read_though_they_come_in_a_rebalance(
    settings: Settings,
) -> None:
    cluster = settings.kafka.cluster()
    worker = Worker(settings, STAGES[:1])
    ready = asyncio.Event()
    running = asyncio.create_task(worker.run({}, on_ready=ready.set))
    await asyncio.wait_for(ready.wait(), 60)
    consumer, client = _consumer(worker), _client(worker)
    revoke = consumer.on_partitions_revoked

    async def fed_and_revoked(revoked: set[Any]) -> None:
        await asyncio.to_thread(feed, cluster, notes(range(20)))
        await revoke(revoked)

    consumer.on_partitions_revoked = fed_and_revoked  # type: ignore[method-assign]
    # The fetch that is under way returns what the next assignment brings, and the stage does not
    # take anything yet.
    consumer.app.tables.recovery.recovery_delay = 2.0
    consumer._thread.thread_loop.call_soon_threadsafe(client._coordinator.request_rejoin)
    with FlowReader(cluster) as reader:
        async with asyncio.timeout(180):
            while (await asyncio.to_thread(reader.read)).stages[0].done < 20:
                assert not running.done()
                await asyncio.sleep(0.1)
    worker.stop()
    await asyncio.wait_for(running, 60)


async def test_a_worker_that_leaves_messages_unread_ends(settings: Settings) -> None:
    kafka = settings.kafka.model_copy(update={"stalled_seconds": 2.0})
    worker = Worker(settings.model_copy(update={"kafka": kafka}), STAGES[:1])
    ready = asyncio.Event()
    running = asyncio.create_task(worker.run({}, on_ready=ready.set))
    await asyncio.wait_for(ready.wait(), 60)

    async def lose(records: Any) -> bool:
        return True

    _consumer(worker)._deliver = lose  # type: ignore[method-assign]
    await asyncio.to_thread(feed, kafka.cluster(), notes(range(1)))
    with pytest.raises(BrokerError, match=r"segmenter: .* from offset 0, .*committed None"):
        await asyncio.wait_for(running, 60)


async def test_a_partition_of_which_nothing_is_committed_is_sought_from_its_start(
    settings: Settings,
) -> None:
    cluster = settings.kafka.cluster()
    place = TopicPartition(cluster.topic(DOCUMENTS), 0)
    await asyncio.to_thread(feed, cluster, notes(range(20)))
    consumer = AsyncConsumer(
        **cluster.client,
        group_id=cluster.consumer_group("test"),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        assert await consumer.seek_to_committed() == {}, "nothing is assigned"
        consumer.assign([place])
        for _ in range(2):
            async with asyncio.timeout(180):
                while not (taken := await consumer.getmany(timeout_ms=500)):
                    pass
            assert taken[place][0].offset == 0
            assert await consumer.seek_to_committed() == {place: None}
    finally:
        await consumer.stop()


async def test_a_rebalance_while_the_worker_stops_leaves_the_consumer_to_its_thread(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(settings, STAGES[:1])
    ready = asyncio.Event()
    running = asyncio.create_task(worker.run({}, on_ready=ready.set))
    await asyncio.wait_for(ready.wait(), 60)
    consumer, client = _consumer(worker), _client(worker)
    revoke = consumer._on_partitions_revoked
    revoking = asyncio.Event()

    async def held(revoked: set[Any]) -> None:
        revoking.set()
        await consumer.app.wait_until_stopped()
        await revoke(revoked)

    elsewhere: list[AIOKafkaConnection] = []
    stock_close = AIOKafkaConnection.close

    def close(connection: AIOKafkaConnection, *args: Any, **options: Any) -> Any:
        if asyncio.get_running_loop() is not connection._loop:
            elsewhere.append(connection)
        return stock_close(connection, *args, **options)

    monkeypatch.setattr(AIOKafkaConnection, "close", close)
    consumer._on_partitions_revoked = held
    consumer._thread.thread_loop.call_soon_threadsafe(client.join_again)
    await asyncio.wait_for(revoking.wait(), 60)
    worker.stop()
    await asyncio.wait_for(running, 60)
    assert not elsewhere
    assert not any(one.connected() for one in client._client._conns.values())


async def test_a_consumer_stops_while_it_waits_to_fetch_again(settings: Settings) -> None:
    cluster = settings.kafka.cluster()
    consumer = AsyncConsumer(**cluster.client, enable_auto_commit=False)
    await consumer.start()
    fetcher = consumer._fetcher
    failed, send = asyncio.Event(), fetcher._client.send

    async def send_or_fail(node_id: int, request: Any) -> Any:
        if not isinstance(request, FetchRequest):
            return await send(node_id, request)
        failed.set()
        raise KafkaConnectionError("broken by the test")

    fetcher._retry_backoff = 3600.0
    fetcher._client.send = send_or_fail
    consumer.assign([TopicPartition(cluster.topic(DOCUMENTS), 0)])
    await asyncio.wait_for(failed.wait(), 60)
    await asyncio.sleep(0)  # the fetcher waits now
    await asyncio.wait_for(consumer.stop(), 60)
    assert not any(one.connected() for one in consumer._client._conns.values())


def _consumer(worker: Worker) -> StageConsumer:
    consumer = worker._apps[0].app._consumer
    assert isinstance(consumer, StageConsumer)
    return consumer


def _client(worker: Worker) -> AsyncConsumer:
    client = _consumer(worker)._thread._consumer
    assert isinstance(client, AsyncConsumer)
    return client
