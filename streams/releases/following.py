"""Following the ``releases`` topic to the releases in service."""

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
from streams.releases.announcements import ISOLATION, fold, in_service_before


async def follow_in_service(
    cluster: Cluster, base: str, reader: RecordReader
) -> AsyncGenerator[list[Release]]:
    """The releases in service for ``base`` now, if any was announced, and then after each change.

    The last one announced comes first. Where it cannot be used, the next one serves. Raises
    BrokerError.
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
            terms: list[int] = []
            while True:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for received in records:
                        fold(found, received, reader, time.time())
                # Only at the end of the topic is the order of announcements known.
                if all([await consumer.position(place) >= ends[place] for place in places]):
                    announced = in_service_before(found.values(), base)
                    changed = [release.term for release in announced]
                    if announced and changed != terms:
                        terms = changed
                        yield announced
    finally:
        await consumer.stop()
