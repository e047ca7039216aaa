"""Committed lag: the messages of each stage's source that lie after its committed offsets.

Offsets are counted. Where they hold no message, as the markers of transactions do, they count until
the stage has passed them, which it does when it has read up to them. Messages of a transaction that
is still open are not counted, unless uncommitted messages are read.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    NotCoordinatorError,
)

from streams.kafka.admin.partitions import partition_counts
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import connect, kafka_errors
from streams.kafka.connection.permissions import describing
from streams.kafka.topics import TOPICS, Topic
from streams.stages.topology import RECURATOR, STAGES, StageSpec

_COORDINATOR_SECONDS = 30.0
_LEAST_SECONDS = 10.0
"""That messages are counted over. Of a slow stage several come together, after long waits."""
_UNREADABLE = "the stream's offsets cannot be read"


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """Progress of a stage on one partition of its source."""

    topic: str
    """Its name on the cluster."""
    partition: int
    start: int
    """Offset of the first message that the partition still holds."""
    end: int
    committed: int | None
    """None where the stage has committed nothing, and so has read nothing that counts."""
    held: int = 0
    """Offsets from the first one of an open transaction on, which no stage can read before it ends.
    They lie behind ``end``.
    """

    @property
    def position(self) -> int:
        """Offset of the oldest message that the stage has yet to process."""
        return max(self.start, self.committed or 0)

    @property
    def deleted_unread(self) -> int:
        """Messages that retention deleted before the stage had processed them."""
        return max(0, self.start - (self.committed or 0))


@dataclass(frozen=True, slots=True)
class StageLag:
    """Progress of a stage on its source topic, summed over partitions."""

    stage: str
    topic: str
    done: int
    """Messages before the committed offsets, of those that the topic still holds."""
    lag: int
    """Messages that the topic holds and that are not committed."""
    partitions: tuple[PartitionLag, ...] = ()

    @property
    def deleted_unread(self) -> int:
        """Messages that retention deleted before the stage had processed them."""
        return sum(partition.deleted_unread for partition in self.partitions)


@dataclass(frozen=True, slots=True)
class OtherStage:
    """A stage that runs or ran on the cluster, and that is not among those that are read."""

    stage: str
    workers: int
    """Members of its consumer group."""
    waiting: Mapping[str, int]
    """Topic, with the prefix, to its messages after the committed offsets, where there are any."""


@dataclass(frozen=True, slots=True)
class Flow:
    """The stream at one moment: messages held in each topic, and the lag of each stage.

    Topics have their names in the table.
    """

    messages: Mapping[str, int]
    stages: Sequence[StageLag]
    examples: int | None = None
    """Examples on ``curated``: ids that are not retracted. None where they were not counted."""

    @property
    def idle(self) -> bool:
        """Whether every stage has committed everything."""
        return all(stage.lag == 0 for stage in self.stages)


class FlowReader:
    """Reads offsets with one admin client. Use as a context manager.

    Raises BrokerError where Kafka does not answer.
    """

    def __init__(
        self,
        cluster: Cluster,
        stages: Sequence[StageSpec] = STAGES,
        topics: Sequence[Topic] = TOPICS,
    ) -> None:
        """``topics`` are what ``Flow.messages`` counts, the stages' sources among them."""
        self._cluster = cluster
        self._stages = stages
        self._topics = topics
        self._needed = [
            *(describing("topic", cluster.topic(topic)) for topic in topics),
            *(describing("group", cluster.consumer_group(spec.name)) for spec in stages),
        ]
        self._admin = connect(KafkaAdminClient, cluster)

    def __enter__(self) -> "FlowReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._admin.close()

    def read(self) -> Flow:
        """The stream now. Topics that do not exist yet count as empty.

        The ends are read last and the logs' starts first. So a stream that seems idle is idle, and
        what seems deleted unread is not about to be committed.
        """
        with kafka_errors(_UNREADABLE, self._cluster, *self._needed):
            places = places_of(self._admin, self._cluster, self._topics)
            starts = self._offsets(places, OffsetSpec.EARLIEST)
            committed = self._committed(places)
            log_ends = self._offsets(places, OffsetSpec.LATEST, "read_uncommitted")
            ends = self._offsets(places, OffsetSpec.LATEST)
        stages = []
        for spec in self._stages:
            topic = self._cluster.topic(spec.source)
            partitions = tuple(
                PartitionLag(
                    topic,
                    place.partition,
                    starts[place],
                    ends[place],
                    committed.get((spec.name, *place)),
                    max(0, log_ends[place] - ends[place]),
                )
                for place in places
                if place.topic == topic
            )
            stages.append(
                StageLag(
                    spec.name,
                    topic,
                    sum(one.position - one.start for one in partitions),
                    sum(max(0, one.end - one.position) for one in partitions),
                    partitions,
                )
            )
        messages = {
            topic.name: sum(
                ends[p] - starts[p] for p in places if p.topic == self._cluster.topic(topic)
            )
            for topic in self._topics
        }
        return Flow(messages, stages)

    def committed(self) -> dict[tuple[str, str, int], int]:
        """Map (stage, topic, partition) to the committed offset, where there is one."""
        with kafka_errors(_UNREADABLE, self._cluster, *self._needed):
            sources = [spec.source for spec in self._stages]
            return self._committed(places_of(self._admin, self._cluster, sources))

    def write_rates(self, seconds: float) -> dict[str, float]:
        """Messages a second that were written to each topic in the last ``seconds``.

        Where the first of them came later, in the seconds since then, but at least 10. By the
        clocks of the writers. Topics have their names in the table. Messages that are gone
        meanwhile count too.
        """
        now = time.time()
        since: Any = int((now - seconds) * 1000)  # an offset's specification as well
        with kafka_errors(_UNREADABLE, self._cluster, *self._needed):
            places = places_of(self._admin, self._cluster, self._topics)
            first = self._found(places, since)
            ends = self._offsets(places, OffsetSpec.LATEST)
        rates = {}
        for topic in self._topics:
            name = self._cluster.topic(topic)
            new = [(p, one) for p, one in first.items() if p.topic == name and one.offset >= 0]
            oldest = min((one.timestamp / 1000 for _, one in new), default=now)
            written = sum(max(0, ends[place] - one.offset) for place, one in new)
            rates[topic.name] = written / min(max(now - oldest, _LEAST_SECONDS), seconds)
        return rates

    def workers(self) -> dict[str, int]:
        """Map each stage to the number of workers that are members of its consumer group."""
        groups = {self._cluster.consumer_group(spec.name): spec.name for spec in self._stages}
        with kafka_errors(_UNREADABLE, self._cluster, *self._needed):
            found = self._of_coordinator(lambda: self._admin.describe_groups(list(groups)))
        return {groups[group]: len(one["members"]) for group, one in found.items()}

    def others(self) -> list[OtherStage]:
        """The other stages that have a consumer group, but for re-ratings.

        Only of groups that may be described: a broker lists no others.
        """
        prefix = self._cluster.consumer_group("")
        known = {spec.name for spec in self._stages}
        with kafka_errors(_UNREADABLE, self._cluster, *self._needed):
            listed = [str(one["group_id"]) for one in self._admin.list_groups()]
            groups = {
                group: name
                for group in listed
                if (name := group.removeprefix(prefix)) != group
                and name not in known
                and not name.startswith(RECURATOR.name)
            }
            if not groups:
                return []
            members = self._of_coordinator(lambda: self._admin.describe_groups(list(groups)))
            committed = self._of_coordinator(
                lambda: self._admin.list_group_offsets(dict.fromkeys(groups))
            )
            places = places_of(self._admin, self._cluster, self._topics)
            ends = self._offsets(places, OffsetSpec.LATEST)
        found = []
        for group, name in sorted(groups.items()):
            waiting = Counter[str]()
            for place, offset in committed[group].items():
                # A foreign group of such a name may read other topics, or those that are gone.
                if place in ends:
                    waiting[place.topic] += max(0, ends[place] - (_offset(offset) or 0))
            found.append(OtherStage(name, len(members[group]["members"]), +waiting))
        return found

    def _committed(self, places: Sequence[TopicPartition]) -> dict[tuple[str, str, int], int]:
        """The committed offsets of partitions.

        One behind the end of the partition's log, of which a part was lost, counts as its start:
        the stage goes on there.
        """
        committed = {
            (stage, place): offset
            for stage, offsets in (self._group_offsets() if places else {}).items()
            for place, found in offsets.items()
            if place in places and (offset := _offset(found)) is not None
        }
        of_any = list({place for _, place in committed})
        ends = self._offsets(of_any, OffsetSpec.LATEST, "read_uncommitted")
        lost = {place for (_, place), offset in committed.items() if offset > ends[place]}
        starts = self._offsets(list(lost), OffsetSpec.EARLIEST)
        return {
            (stage, *place): starts[place] if offset > ends[place] else offset
            for (stage, place), offset in committed.items()
        }

    def _group_offsets(self) -> dict[str, dict[TopicPartition, Any]]:
        """Committed offsets by stage."""
        groups = {self._cluster.consumer_group(spec.name): spec.name for spec in self._stages}
        found = self._of_coordinator(lambda: self._admin.list_group_offsets(dict.fromkeys(groups)))
        return {groups[group]: offsets for group, offsets in found.items()}

    def _of_coordinator(self, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Ask the group coordinator, and wait for it: a broker that has just started has none."""
        deadline = time.monotonic() + _COORDINATOR_SECONDS
        while True:
            try:
                return ask()
            except (
                CoordinatorNotAvailableError,
                CoordinatorLoadInProgressError,
                NotCoordinatorError,
            ):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _offsets(
        self, places: Sequence[TopicPartition], spec: OffsetSpec, isolation: str | None = None
    ) -> dict[TopicPartition, int]:
        found = self._found(places, spec, isolation)
        return {place: one.offset for place, one in found.items()}

    def _found(
        self, places: Sequence[TopicPartition], spec: OffsetSpec, isolation: str | None = None
    ) -> Mapping[TopicPartition, Any]:
        """The offsets with the timestamps of their messages, in milliseconds."""
        if not places:
            return {}
        isolation = isolation or self._cluster.isolation
        return self._admin.list_partition_offsets(
            dict.fromkeys(places, spec), isolation_level=isolation
        )


def places_of(
    admin: KafkaAdminClient, cluster: Cluster, topics: Iterable[Topic]
) -> list[TopicPartition]:
    """The partitions of the topics that exist. Raises BrokerError where one may not be seen."""
    names = [cluster.topic(topic) for topic in topics]
    needed = {name: describing("topic", name) for name in names}
    counts = partition_counts(admin, cluster, needed)
    return [
        TopicPartition(name, number) for name, count in counts.items() for number in range(count)
    ]


def _offset(found: Any) -> int | None:
    """The committed offset in a broker's answer. None where nothing is committed."""
    return found.offset if found is not None and found.offset >= 0 else None
