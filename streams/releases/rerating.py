"""Re-rating: which candidates a release has to rate again, and its progress."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from schemas.release import Release
from streams.kafka.admin.partitions import partitions_of
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import connect, kafka_errors
from streams.kafka.connection.permissions import describing
from streams.kafka.topics import CANDIDATES


@dataclass(frozen=True, slots=True)
class Rerating:
    """Progress of a release on the candidates that were there when it was deployed."""

    release: str
    done: int
    total: int

    @property
    def finished(self) -> bool:
        """Whether all are rated again."""
        return self.done >= self.total


def group_of(cluster: Cluster, release: Release) -> str:
    """The consumer group of a re-rating: one for each release and deployment term."""
    return cluster.consumer_group(f"recurator.{release.id}.{release.term}")


def boundaries(cluster: Cluster, release: Release, seconds: float) -> dict[int, int]:
    """Map partitions of the candidates to the offset up to which they are to be rated again.

    That is what was written until ``seconds`` after the announcement. No worker rates later ones
    with the previous release (``ReleaseFollower``). Once that time has passed the answer stays the
    same, so a restarted worker continues where it was. Before, it is the present end. Raises
    BrokerError.
    """
    with _reading(cluster) as consumer:
        return _boundaries(consumer, cluster, release, seconds)


def rerating(cluster: Cluster, release: Release, seconds: float) -> Rerating:
    """Progress of the re-rating by ``release``, from committed offsets. Raises BrokerError."""
    topic = cluster.topic(CANDIDATES)
    with _reading(cluster, group_id=group_of(cluster, release)) as consumer:
        until = {
            TopicPartition(topic, p): end
            for p, end in _boundaries(consumer, cluster, release, seconds).items()
        }
        begins = consumer.beginning_offsets(list(until))
        total = sum(max(0, end - begins[place]) for place, end in until.items())
        done = sum(
            max(0, min(consumer.committed(place) or 0, end) - begins[place])
            for place, end in until.items()
        )
        return Rerating(release.id, done, total)


@contextmanager
def _reading(cluster: Cluster, **options: Any) -> Iterator[KafkaConsumer]:
    consumer = connect(
        KafkaConsumer,
        cluster,
        **options,
        enable_auto_commit=False,
        isolation_level=cluster.isolation,  # the end is then where a stage can read to
    )
    topic = cluster.topic(CANDIDATES)
    needed = [describing("topic", topic)]
    if group := options.get("group_id"):
        needed.append(describing("group", group))
    with consumer, kafka_errors(f"the offsets of {topic} cannot be read", cluster, *needed):
        yield consumer


def _boundaries(
    consumer: KafkaConsumer, cluster: Cluster, release: Release, seconds: float
) -> dict[int, int]:
    places = [
        TopicPartition(cluster.topic(CANDIDATES), partition)
        for partition in partitions_of(consumer, cluster, CANDIDATES)
    ]
    moment = int((release.announced_at + seconds) * 1000)
    after = consumer.offsets_for_times(dict.fromkeys(places, moment))
    ends = consumer.end_offsets(places)
    return {
        place.partition: after[place].offset if after.get(place) else ends[place]
        for place in places
    }
