"""Writing to topics as no client does: batches of any bytes."""

import asyncio
from collections.abc import Iterable

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NotLeaderForPartitionError
from aiokafka.protocol.produce import ProduceRequest

from streams.kafka.cluster import Cluster


async def produce_raw(cluster: Cluster, topic: str, batches: Iterable[bytes]) -> list[int]:
    """Write batches to partition 0 of a topic as they are, and return their base offsets."""
    client = AIOKafkaClient(**cluster.client)
    offsets = []
    await client.bootstrap()
    try:
        await client._wait_on_metadata(topic)
        for batch in batches:
            error = NotLeaderForPartitionError.errno
            while error == NotLeaderForPartitionError.errno:  # the topic may be a new one
                node = client.cluster.leader_for_partition(TopicPartition(topic, 0))
                request = ProduceRequest(None, -1, 10_000, [(topic, [(0, batch)])])
                response = await client.send(node, request)
                ((_, ((_, error, offset, *_),)),) = response.topics
                await asyncio.sleep(0.1 if error else 0)
            assert error == 0, f"the broker refused the batch with error {error}"
            offsets.append(offset)
    finally:
        await client.close()
    return offsets
