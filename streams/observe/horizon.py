"""How far back the proof goes: what retention has deleted from the topics that would prove it."""

import math
from collections.abc import Sequence

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec

from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import connect, kafka_errors
from streams.kafka.connection.permissions import describing
from streams.kafka.topics import TOPICS, Topic
from streams.observe.lag import places_of
from streams.stages.topology import STAGES, StageSpec

Horizon = dict[tuple[str, int], int]
"""Topic and partition to the first offset whose outcome cannot have been deleted."""
_FROM_THE_BEGINNING = 0
"""A moment before every message."""


def horizons(cluster: Cluster, stages: Sequence[StageSpec] = STAGES) -> dict[str, Horizon]:
    """The horizon of each of ``stages`` on its source. Raises BrokerError.

    An outcome is written after the message that it is about. So where a topic of outcomes lacks its
    beginning, a message of the source that is older than all that is left there may have had its
    outcome deleted, and a newer one not. Depends on the timestamps that the producers set.
    """
    needed = [describing("topic", cluster.topic(topic)) for topic in TOPICS]
    with (
        connect(KafkaAdminClient, cluster) as admin,
        kafka_errors("the offsets of the topics cannot be read", cluster, *needed),
    ):
        complete_since: dict[Topic, float] = {}
        for topic in {output for spec in stages for output in spec.outputs}:
            complete_since[topic] = _complete_since(admin, places_of(admin, cluster, [topic]))
        return {spec.name: _horizon(admin, cluster, spec, complete_since) for spec in stages}


def _horizon(
    admin: KafkaAdminClient, cluster: Cluster, spec: StageSpec, complete_since: dict[Topic, float]
) -> Horizon:
    since = max(complete_since[topic] for topic in spec.outputs)
    places = places_of(admin, cluster, [spec.source])
    if since == -math.inf:
        return {tuple(place): 0 for place in places}
    ends = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))
    if since == math.inf:
        found = ends
    else:
        found = admin.list_partition_offsets(dict.fromkeys(places, int(since)))
    return {
        tuple(place): found[place].offset if found[place].offset >= 0 else ends[place].offset
        for place in places
    }


def _complete_since(admin: KafkaAdminClient, places: list[TopicPartition]) -> float:
    """Time in milliseconds of the first message after what was deleted from any of the partitions.

    -inf where nothing was deleted, inf where one of them lost all that it held.
    """
    starts = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.EARLIEST))
    cut = [place for place in places if starts[place].offset > 0]
    if not cut:
        return -math.inf
    first = admin.list_partition_offsets(dict.fromkeys(cut, _FROM_THE_BEGINNING))
    return max(one.timestamp if one.offset >= 0 else math.inf for one in first.values())
