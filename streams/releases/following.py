"""Following the ``releases`` topic to the deployed releases."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiokafka import TopicPartition

from schemas.errors import BrokerError
from schemas.release import Release
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import kafka_errors, start
from streams.kafka.connection.permissions import reading
from streams.kafka.reading.consumers import AsyncConsumer
from streams.kafka.reading.records import RecordReader
from streams.kafka.topics import RELEASES
from streams.releases.announcements import ISOLATION, fold, in_service_before

log = logging.getLogger(__name__)
_RETRY_SECONDS = 2.0


async def follow_in_service(
    cluster: Cluster, base: str, reader: RecordReader
) -> AsyncGenerator[list[Release]]:
    """The deployed releases for ``base`` now, if any was announced, and then after each change.

    The last one announced comes first. Where it cannot be used, the next one serves. Where the
    topic cannot be read, it is tried again, without end.
    """
    while True:
        try:
            async with aclosing(_follow(cluster, base, reader)) as followed:
                async for announced in followed:
                    yield announced
        except BrokerError as error:
            log.warning("%s; trying again in %.0f s", error, _RETRY_SECONDS)
            await asyncio.sleep(_RETRY_SECONDS)


async def _follow(
    cluster: Cluster, base: str, reader: RecordReader
) -> AsyncGenerator[list[Release]]:
    topic = cluster.topic(RELEASES)
    consumer = AsyncConsumer(
        **cluster.client,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level=ISOLATION,
    )
    await start(consumer, cluster)
    with kafka_errors(f"{topic} cannot be read", cluster, reading(topic)):
        try:
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
