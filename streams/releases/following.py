"""Following the ``releases`` topic to the release in service."""

import time
from collections.abc import AsyncGenerator

from aiokafka import TopicPartition

from schemas.records import Release
from streams.kafka.clients import kafka_errors, start
from streams.kafka.cluster import Cluster
from streams.kafka.consumers import AsyncConsumer
from streams.kafka.permissions import reading
from streams.kafka.reading import RecordReader
from streams.kafka.topics import RELEASES
from streams.releases.announcements import ISOLATION, fold, in_service


async def follow_in_service(
    cluster: Cluster, base: str, reader: RecordReader
) -> AsyncGenerator[Release]:
    """The release in service for ``base`` now, if any was announced, and then each change.

    Raises BrokerError.
    """
    topic = cluster.topic(RELEASES)
    consumer = AsyncConsumer(
        **cluster.client,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level=ISOLATION,
    )
    await start(consumer, cluster)
    try:
        with kafka_errors(f"{topic} cannot be read", cluster, reading(topic)):
            places = [
                TopicPartition(topic, partition)
                for partition in consumer.partitions_for_topic(topic) or {0}
            ]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            found: dict[str, Release] = {}
            term = 0
            while True:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for received in records:
                        fold(found, received, reader, time.time())
                # Only at the end of the topic is the order of announcements known.
                if all([await consumer.position(place) >= ends[place] for place in places]):
                    release = in_service(found.values(), base)
                    if release is not None and release.term != term:
                        term = release.term
                        yield release
    finally:
        await consumer.stop()
