"""Committed lag: the messages of each stage's source that lie after its committed offsets.

Offsets are counted. Where they hold no message, as the markers of transactions do, they count until
the stage has passed them, which it does when it has read up to them. Messages of a transaction that
is still open are not counted, unless uncommitted messages are read.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    NotCoordinatorError,
)

from streams.kafka.clients import connect, kafka_errors
from streams.kafka.cluster import Cluster
from streams.kafka.topics import TOPICS
from streams.stages.topology import STAGES, StageSpec

_COORDINATOR_SECONDS = 30.0
_UNREADABLE = "the stream's offsets cannot be read"


@dataclass(frozen=True, slots=True)
class StageLag:
    """Progress of a stage on its source topic, summed over partitions."""

    stage: str
    topic: str
    done: int
    """Messages before the committed offsets, of those that the topic still holds."""
    lag: int
    """Messages that the topic holds and that are not committed."""


@dataclass(frozen=True, slots=True)
class Flow:
    """The stream at one moment: messages held in each topic, and the lag of each stage.

    Topics have their names in the table.
    """

    messages: Mapping[str, int]
    stages: Sequence[StageLag]

    @property
    def idle(self) -> bool:
        """Whether every stage has committed everything."""
        return all(stage.lag == 0 for stage in self.stages)


class FlowReader:
    """Reads offsets with one admin client. Use as a context manager.

    Raises BrokerError where Kafka does not answer.
    """

    def __init__(self, cluster: Cluster, stages: Sequence[StageSpec] = STAGES) -> None:
        self._cluster = cluster
        self._stages = stages
        self._admin = connect(KafkaAdminClient, cluster)

    def __enter__(self) -> "FlowReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._admin.close()

    def read(self) -> Flow:
        """The stream now. Topics that do not exist yet count as empty."""
        with kafka_errors(_UNREADABLE):
            existing = set(self._admin.list_topics())
            places = [
                TopicPartition(topic["name"], partition["partition_index"])
                for topic in self._admin.describe_topics(
                    [name for name in map(self._cluster.topic, TOPICS) if name in existing]
                )
                for partition in topic["partitions"]
            ]
            ends = self._offsets(places, OffsetSpec.LATEST)
            starts = self._offsets(places, OffsetSpec.EARLIEST)
            committed = self._group_offsets() if places else {}
        stages = []
        for spec in self._stages:
            topic = self._cluster.topic(spec.source)
            own = [place for place in places if place.topic == topic]
            offsets = committed.get(spec.name, {})
            lag = done = 0
            for place in own:
                found = offsets.get(place)
                at = max(
                    starts[place], found.offset if found is not None and found.offset >= 0 else 0
                )
                done += at - starts[place]
                lag += ends[place] - at
            stages.append(StageLag(spec.name, topic, done, lag))
        messages = {
            topic.name: sum(
                ends[p] - starts[p] for p in places if p.topic == self._cluster.topic(topic)
            )
            for topic in TOPICS
        }
        return Flow(messages, stages)

    def committed(self) -> dict[tuple[str, str, int], int]:
        """Map (stage, topic, partition) to the committed offset, where there is one."""
        with kafka_errors(_UNREADABLE):
            found = self._group_offsets()
        return {
            (stage, place.topic, place.partition): offset.offset
            for stage, offsets in found.items()
            for place, offset in offsets.items()
            if offset.offset >= 0
        }

    def _group_offsets(self) -> dict[str, dict[TopicPartition, Any]]:
        """Committed offsets by stage.

        Waits for the group coordinator, which a broker that has just started does not have yet.
        """
        groups = {self._cluster.consumer_group(spec.name): spec.name for spec in self._stages}
        deadline = time.monotonic() + _COORDINATOR_SECONDS
        while True:
            try:
                found = self._admin.list_group_offsets(dict.fromkeys(groups))
                return {groups[group]: offsets for group, offsets in found.items()}
            except (
                CoordinatorNotAvailableError,
                CoordinatorLoadInProgressError,
                NotCoordinatorError,
            ):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _offsets(
        self, places: Sequence[TopicPartition], spec: OffsetSpec
    ) -> dict[TopicPartition, int]:
        if not places:
            return {}
        return {
            place: found.offset
            for place, found in self._admin.list_partition_offsets(
                dict.fromkeys(places, spec), isolation_level=self._cluster.isolation
            ).items()
        }
