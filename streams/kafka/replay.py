"""Reading a topic from its beginning to its present end: to restore state, to export, to audit."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from kafka import KafkaConsumer
from kafka import TopicPartition as SyncTopicPartition

from streams.kafka.clients import connect, kafka_errors, start
from streams.kafka.cluster import Cluster
from streams.kafka.messages import Received
from streams.kafka.topics import Topic


def replay(cluster: Cluster, topic: Topic, isolation: str = "read_committed") -> Iterator[Received]:
    """Every message that a topic holds now, partition by partition.

    Raises BrokerError where Kafka cannot be read.
    """
    name = cluster.topic(topic)
    consumer = connect(
        KafkaConsumer,
        cluster,
        enable_auto_commit=False,
        isolation_level=isolation,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
    )
    with consumer, kafka_errors(f"{name} cannot be read"):
        for partition in sorted(consumer.partitions_for_topic(name) or ()):
            place = SyncTopicPartition(name, partition)
            consumer.assign([place])
            end = consumer.end_offsets([place])[place]
            consumer.seek_to_beginning(place)
            while consumer.position(place) < end:
                for record in consumer.poll(timeout_ms=500).get(place, ()):
                    yield Received.of(record)


async def replay_partition(
    cluster: Cluster, topic: Topic, partition: int
) -> AsyncIterator[Received]:
    """Every message that the partition holds now, in order. Raises BrokerError."""
    place = TopicPartition(cluster.topic(topic), partition)
    async with _reading(cluster, place) as consumer:
        await consumer.seek_to_beginning(place)
        async for received in _until(consumer, place, (await consumer.end_offsets([place]))[place]):
            yield received


async def replay_processed(
    cluster: Cluster, topic: Topic, partition: int, group: str, count: int
) -> AsyncIterator[Received]:
    """The last ``count`` messages before the committed offset of a consumer group, in order.

    Raises BrokerError.
    """
    place = TopicPartition(cluster.topic(topic), partition)
    async with _reading(cluster, place, group_id=group) as consumer:
        end = await consumer.committed(place) or 0
        consumer.seek(place, max(end - count, (await consumer.beginning_offsets([place]))[place]))
        async for received in _until(consumer, place, end):
            yield received


@asynccontextmanager
async def _reading(
    cluster: Cluster, place: TopicPartition, **options: Any
) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **cluster.client,
        **options,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    await start(consumer, cluster)
    try:
        with kafka_errors(f"{place.topic} cannot be read"):
            consumer.assign([place])
            yield consumer
    finally:
        await consumer.stop()


async def _until(
    consumer: AIOKafkaConsumer, place: TopicPartition, end: int
) -> AsyncIterator[Received]:
    while await consumer.position(place) < end:
        for record in (await consumer.getmany(place, timeout_ms=500)).get(place, ()):
            if record.offset < end:
                yield Received.of(record)
