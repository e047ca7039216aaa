"""Warnings before retention deletes messages that no stage has read yet."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from schemas.errors import BrokerError
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import connect, kafka_errors
from streams.kafka.connection.permissions import Permission
from streams.observe.lag import Flow, PartitionLag, StageLag
from streams.quantities import as_count, as_duration

log = logging.getLogger(__name__)
_CHECK_SECONDS = 60.0
_REPEAT_SECONDS = 600.0
_WINDOW_SECONDS = 600.0
"""The rate of a stage is its mean over this time."""
_SHORTEST_WINDOW = 60.0
"""A mean over less time than this says nothing."""
_CLOSE = 0.75
"""Share of the retention time, or of its bytes, from which on a message is close to deletion."""
_LIMITS = ("retention.ms", "retention.bytes")


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a topic keeps messages. None where there is no limit."""

    seconds: float | None
    bytes: int | None
    """Of each partition."""


def safe_age(retention: float, needs: float | None) -> float:
    """Age in seconds from which on an unread message is at risk.

    It is at risk when it is close to the ``retention`` time, or reaches that time before the stage
    has worked off its lag, for which it ``needs`` that many seconds. None: that is unknown.
    """
    return min(_CLOSE * retention, retention - (needs or 0.0))


class RetentionWatch:
    """Follows the flow, and warns where unread messages were deleted or soon will be."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float] = time.time) -> None:
        self._cluster = cluster
        self._clock = clock
        self._history: deque[tuple[float, dict[str, int]]] = deque()
        self._checked = float("-inf")
        self._warned: dict[str, float] = {}
        """When each topic's warning was given last."""
        self._deleted: dict[str, int] = {}

    def check(self, flow: Flow) -> list[str]:
        """Take in the present flow, and return the warnings that are due.

        Reads the settings of the topics once a minute. Where no broker answers there is no warning.
        """
        now = self._clock()
        self._history.append(
            (now, {one.stage: sum(part.position for part in one.partitions) for one in flow.stages})
        )
        while now - self._history[0][0] > _WINDOW_SECONDS:
            self._history.popleft()
        lines = [line for stage in flow.stages for line in self._losses(stage)]
        if now - self._checked >= _CHECK_SECONDS:
            self._checked = now
            try:
                lines += self._warnings(flow, now)
            except BrokerError as error:
                log.info("the retention of the topics cannot be checked: %s", error)
        return lines

    def _losses(self, stage: StageLag) -> Iterable[str]:
        for one in stage.partitions:
            if one.committed is None:  # what a new deployment never read is no loss
                continue
            place = f"{one.topic}/{one.partition}"
            if one.deleted_unread > self._deleted.get(place, 0):
                yield (
                    f"LOST: {as_count(one.deleted_unread, 'message')} of {place} deleted by its "
                    f"retention before the {stage.stage} had processed them"
                )
            self._deleted[place] = one.deleted_unread

    def _warnings(self, flow: Flow, now: float) -> list[str]:
        behind = [stage for stage in flow.stages if stage.lag]
        if not behind:
            return []
        lines = []
        what = "the retention of the topics cannot be read"
        needed = [Permission("DescribeConfigs", "topic", stage.topic) for stage in behind]
        with (
            connect(KafkaAdminClient, self._cluster) as admin,
            kafka_errors(what, self._cluster, *needed),
        ):
            retentions = _retentions(admin, [stage.topic for stage in behind])
            for stage in behind:
                if now - self._warned.get(stage.topic, float("-inf")) < _REPEAT_SECONDS:
                    continue
                found = retentions.get(stage.topic, Retention(None, None))
                line = self._too_old(admin, stage, found, now) or _too_large(admin, stage, found)
                if line is not None:
                    self._warned[stage.topic] = now
                    lines.append(line)
        return lines

    def _too_old(
        self, admin: KafkaAdminClient, stage: StageLag, retention: Retention, now: float
    ) -> str | None:
        if retention.seconds is None:
            return None
        needs = self._needs(stage)
        moment = now - max(0.0, safe_age(retention.seconds, needs))
        unread = {
            TopicPartition(one.topic, one.partition): one
            for one in stage.partitions
            if one.end > one.position
        }
        found = admin.list_partition_offsets(dict.fromkeys(unread, int(moment * 1000)))
        risky = sum(
            max(0, (found[place].offset if found[place].offset >= 0 else one.end) - one.position)
            for place, one in unread.items()
        )
        if not risky:
            return None
        pace = (
            f"and at its present rate the {stage.stage} needs about {as_duration(needs)}"
            if needs is not None
            else f"and the {stage.stage} has not read them"
        )
        return (
            f"WARNING: {as_count(risky, 'unread message')} of {stage.topic} close to deletion: the "
            f"topic keeps messages for {as_duration(retention.seconds)}, {pace}. Add workers, or "
            "raise retention.ms of the topic"
        )

    def _needs(self, stage: StageLag) -> float | None:
        """Seconds to work off the lag at the stage's mean rate. None where that is unknown."""
        (since, first), (now, last) = self._history[0], self._history[-1]
        done = last[stage.stage] - first.get(stage.stage, last[stage.stage])
        if now - since < _SHORTEST_WINDOW or done <= 0:
            return None
        return stage.lag * (now - since) / done


def _too_large(admin: KafkaAdminClient, stage: StageLag, retention: Retention) -> str | None:
    if retention.bytes is None:
        return None
    sizes = _sizes(admin, stage.partitions)
    risky = sum(
        one.end - one.position
        for one in stage.partitions
        if one.end > one.start
        and sizes.get((one.topic, one.partition), 0) * (one.end - one.position)
        > _CLOSE * retention.bytes * (one.end - one.start)
    )
    if not risky:
        return None
    return (
        f"WARNING: {as_count(risky, 'unread message')} of {stage.topic} close to deletion: they "
        f"fill most of the {retention.bytes:,} bytes that the topic keeps in a partition. Add "
        "workers, or raise retention.bytes of the topic"
    )


def _retentions(admin: KafkaAdminClient, topics: Sequence[str]) -> Mapping[str, Retention]:
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, topic, dict.fromkeys(_LIMITS)) for topic in topics
    ]
    found = admin.describe_configs(resources, config_filter="all").get("topic", {})
    return {topic: _retention(entries) for topic, entries in found.items() if entries}


def _retention(entries: Mapping[str, Mapping[str, str]]) -> Retention:
    milliseconds, size = (int(entries[name]["value"]) for name in _LIMITS)
    return Retention(
        milliseconds / 1000 if milliseconds >= 0 else None, size if size >= 0 else None
    )


def _sizes(
    admin: KafkaAdminClient, partitions: Iterable[PartitionLag]
) -> Mapping[tuple[str, int], int]:
    """Bytes of each partition on the broker that holds most of it."""
    sizes: dict[tuple[str, int], int] = {}
    places: dict[str, list[int]] = {}
    for one in partitions:
        places.setdefault(one.topic, []).append(one.partition)
    for broker in admin.describe_log_dirs(places):
        for directory in broker["log_dirs"]:
            for topic in directory["topics"]:
                for partition in topic["partitions"]:
                    place = (topic["name"], partition["partition_index"])
                    sizes[place] = max(sizes.get(place, 0), partition["partition_size"])
    return sizes
