"""Reading a topic from its beginning to where it ends now: to restore state, to export, to
audit.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from kafka import KafkaConsumer
from kafka import TopicPartition as SyncTopicPartition
from kafka.errors import KafkaError

from schemas.errors import BrokerError
from streams.kafka.cluster import Cluster
from streams.kafka.messages import Received
from streams.kafka.topics import Topic


async def replay_partition(
    cluster: Cluster, topic: Topic, partition: int
) -> AsyncIterator[Received]:
    """Every message that the partition holds now, in order."""
    place = TopicPartition(cluster.topic(topic), partition)
    async with _reading(cluster, place) as consumer:
        await consumer.seek_to_beginning(place)
        async for received in _until(consumer, place, (await consumer.end_offsets([place]))[place]):
            yield received


async def replay_answered(
    cluster: Cluster, topic: Topic, partition: int, group: str, count: int
) -> AsyncIterator[Received]:
    """Of the messages that a consumer group has answered for, the last so many, in order."""
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
    await consumer.start()
    try:
        consumer.assign([place])
        yield consumer
    finally:
        await consumer.stop()


async def _until(
    consumer: AIOKafkaConsumer, place: TopicPartition, end: int
) -> AsyncIterator[Received]:
    while await consumer.position(place) < end:
        for r in (await consumer.getmany(place, timeout_ms=500)).get(place, ()):
            if r.offset < end:
                yield Received(r.topic, r.partition, r.offset, r.key, r.value, r.headers)


def replay(cluster: Cluster, topic: Topic, isolation: str = "read_committed") -> Iterator[Received]:
    """Every message that a topic holds now, partition by partition. Raises BrokerError where Kafka
    cannot be read.
    """
    name = cluster.topic(topic)
    try:
        consumer = KafkaConsumer(
            **cluster.client,
            enable_auto_commit=False,
            isolation_level=isolation,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
        )
    except KafkaError as error:
        raise BrokerError(f"no Kafka at {cluster.address}: {error}") from error
    try:
        for partition in sorted(consumer.partitions_for_topic(name) or ()):
            place = SyncTopicPartition(name, partition)
            consumer.assign([place])
            end = consumer.end_offsets([place])[place]
            consumer.seek_to_beginning(place)
            while consumer.position(place) < end:
                for record in consumer.poll(timeout_ms=500).get(place, ()):
                    yield Received(
                        record.topic,
                        record.partition,
                        record.offset,
                        record.key,
                        record.value,
                        record.headers,
                    )
    except KafkaError as error:
        raise BrokerError(f"{name} cannot be read: {error}") from error
    finally:
        consumer.close()
