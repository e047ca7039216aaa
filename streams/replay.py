"""Reading a topic from its beginning to where it ends now: to restore state, to export, to audit."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from kafka import KafkaConsumer
from kafka import TopicPartition as SyncTopicPartition
from kafka.errors import KafkaError

from schemas.errors import BrokerError
from streams.dead_letters import Received


async def replay_partition(client: Mapping[str, Any], topic: str, partition: int) -> AsyncIterator[Received]:
    """Every message that the partition holds now, in order."""
    consumer = AIOKafkaConsumer(
        **client, enable_auto_commit=False, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        await consumer.seek_to_beginning(place)
        while await consumer.position(place) < end:
            for record in (await consumer.getmany(place, timeout_ms=500)).get(place, ()):
                yield Received(record.topic, record.partition, record.offset, record.key, record.value, record.headers)
    finally:
        await consumer.stop()


def replay(client: Mapping[str, Any], topic: str) -> Iterator[Received]:
    """Every message that a topic holds now, partition by partition. Raises BrokerError where Kafka cannot be read."""
    try:
        consumer = KafkaConsumer(
            **client,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
        )
    except KafkaError as error:
        raise BrokerError(f"no Kafka at {client.get('bootstrap_servers')}: {error}") from error
    try:
        for partition in sorted(consumer.partitions_for_topic(topic) or ()):
            place = SyncTopicPartition(topic, partition)
            consumer.assign([place])
            end = consumer.end_offsets([place])[place]
            consumer.seek_to_beginning(place)
            while consumer.position(place) < end:
                for record in consumer.poll(timeout_ms=500).get(place, ()):
                    yield Received(record.topic, record.partition, record.offset, record.key, record.value, record.headers)
    except KafkaError as error:
        raise BrokerError(f"{topic} cannot be read: {error}") from error
    finally:
        consumer.close()
