"""Reading a topic from its beginning to its present end: to restore state, to export, to audit."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import TopicPartition
from kafka import TopicPartition as SyncTopicPartition

from streams.kafka.admin.partitions import partitions_of
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import connect, kafka_errors, start
from streams.kafka.connection.permissions import describing, reading
from streams.kafka.messages import Received
from streams.kafka.reading.consumers import AsyncConsumer, Consumer
from streams.kafka.topics import Topic


def replay(
    cluster: Cluster,
    topic: Topic,
    isolation: str | None = None,
    last: int | None = None,
    starts: Mapping[int, int] | None = None,
) -> Iterator[Received]:
    """Every message that a topic holds now, partition by partition.

    ``isolation`` is by default that of the cluster. What belongs to an open transaction is not
    waited for. With ``last``, only what has one of the last offsets of each partition. With
    ``starts``, only what lies from these offsets of the partitions on.

    Raises BrokerError where Kafka cannot be read.
    """
    name = cluster.topic(topic)
    consumer = _consumer(cluster, isolation)
    with consumer, kafka_errors(f"{name} cannot be read", cluster, reading(name)):
        for partition in partitions_of(consumer, cluster, topic):
            place = SyncTopicPartition(name, partition)
            consumer.assign([place])
            end = consumer.end_offsets([place])[place]
            if last is None and starts is None:
                consumer.seek_to_beginning(place)
            else:
                first = consumer.beginning_offsets([place])[place]
                wanted = (starts or {}).get(partition, first) if last is None else end - last
                consumer.seek(place, max(first, wanted))
            while consumer.position(place) < end:
                received = consumer.poll(timeout_ms=500).get(place, ())
                yield from received
                if not received:  # the log may have become shorter
                    end = min(end, consumer.end_offsets([place])[place])


def check_readable(cluster: Cluster, topic: Topic) -> None:
    """Ask for a message of a topic, of which there may be none. Raises BrokerError."""
    name = cluster.topic(topic)
    consumer = _consumer(cluster)
    with consumer, kafka_errors(f"{name} cannot be read", cluster, reading(name)):
        place = SyncTopicPartition(name, min(partitions_of(consumer, cluster, topic)))
        consumer.assign([place])
        consumer.seek_to_end(place)
        consumer.poll(timeout_ms=500)


def _consumer(cluster: Cluster, isolation: str | None = None) -> Consumer:
    return connect(
        Consumer,
        cluster,
        enable_auto_commit=False,
        isolation_level=isolation or cluster.isolation,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
    )


async def replay_partition(
    cluster: Cluster, topic: Topic, partition: int
) -> AsyncIterator[Received]:
    """Every message that the partition holds now, in order. Raises BrokerError."""
    place = TopicPartition(cluster.topic(topic), partition)
    async with _reading(cluster, place) as consumer:
        await consumer.seek_to_beginning(place)
        async for received in _until(consumer, place, (await consumer.end_offsets([place]))[place]):
            yield received


async def replay_topic(cluster: Cluster, topic: Topic) -> AsyncIterator[Received]:
    """Every message that the topic holds now, partition by partition. Raises BrokerError."""
    first = TopicPartition(cluster.topic(topic), 0)
    async with _reading(cluster, first) as consumer:
        await consumer.end_offsets([first])  # it knows the partitions then
        partitions = sorted(consumer.partitions_for_topic(first.topic) or ())
    for partition in partitions:
        async for received in replay_partition(cluster, topic, partition):
            yield received


async def replay_processed(
    cluster: Cluster, topic: Topic, partition: int, group: str, count: int
) -> AsyncIterator[Received]:
    """The last ``count`` messages before the committed offset of a consumer group, in order.

    Raises BrokerError.
    """
    place = TopicPartition(cluster.topic(topic), partition)
    async with _reading(cluster, place, group_id=group) as consumer:
        # What was committed may lie in a transaction that is still open.
        readable = (await consumer.end_offsets([place]))[place]
        end = min(await consumer.committed(place) or 0, readable)
        consumer.seek(place, max(end - count, (await consumer.beginning_offsets([place]))[place]))
        async for received in _until(consumer, place, end):
            yield received


@asynccontextmanager
async def _reading(
    cluster: Cluster, place: TopicPartition, **options: Any
) -> AsyncIterator[AsyncConsumer]:
    needed = [reading(place.topic)]
    if group := options.get("group_id"):
        needed.append(describing("group", group))
    consumer = AsyncConsumer(
        **cluster.client,
        **options,
        enable_auto_commit=False,
        isolation_level=cluster.isolation,
        auto_offset_reset="earliest",
    )
    await start(consumer, cluster)
    with kafka_errors(f"{place.topic} cannot be read", cluster, *needed):
        try:
            consumer.assign([place])
            yield consumer
        finally:
            await consumer.stop()


async def _until(
    consumer: AsyncConsumer, place: TopicPartition, end: int
) -> AsyncIterator[Received]:
    while await consumer.position(place) < end:
        messages = (await consumer.getmany(place, timeout_ms=500)).get(place, ())
        for received in messages:
            if received.offset < end:
                yield received
        if not messages:  # the log may have become shorter
            end = min(end, (await consumer.end_offsets([place]))[place])
