"""Re-rating: which candidates a release that took service has to rate again, and how far it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from schemas.records import Release
from streams.kafka.clients import connect, kafka_errors
from streams.kafka.cluster import Cluster
from streams.kafka.topics import CANDIDATES


@dataclass(frozen=True, slots=True)
class Rerating:
    """How far a release is with the candidates that were there when it took service."""

    release: str
    done: int
    total: int

    @property
    def finished(self) -> bool:
        """Whether all are rated again."""
        return self.done >= self.total


def group_of(cluster: Cluster, release: Release) -> str:
    """The consumer group of a re-rating: of a release and its term, so that each taking of service
    has one of its own.
    """
    return cluster.consumer_group(f"recurator.{release.id}.{release.term}")


def boundaries(cluster: Cluster, release: Release, seconds: float) -> dict[int, int]:
    """Partition of the candidates to the offset up to which they are to be rated again.

    That is what was written until ``seconds`` after the announcement; no worker rates what comes
    later with the release before (``ReleaseFollower``). Once that time has passed the answer
    stays the same, so a worker that starts again goes on where it was; before, it is what there is.
    Raises BrokerError.
    """
    with _reading(cluster) as consumer:
        return _boundaries(consumer, cluster.topic(CANDIDATES), release, seconds)


def rerating(cluster: Cluster, release: Release, seconds: float) -> Rerating:
    """How far the re-rating by ``release`` is, by committed offsets. Raises BrokerError."""
    topic = cluster.topic(CANDIDATES)
    with _reading(cluster, group_id=group_of(cluster, release)) as consumer:
        until = {
            TopicPartition(topic, p): end
            for p, end in _boundaries(consumer, topic, release, seconds).items()
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
    consumer = connect(KafkaConsumer, cluster, **options, enable_auto_commit=False)
    what = f"the offsets of {cluster.topic(CANDIDATES)} cannot be read"
    with consumer, kafka_errors(what):
        yield consumer


def _boundaries(
    consumer: KafkaConsumer, topic: str, release: Release, seconds: float
) -> dict[int, int]:
    places = [
        TopicPartition(topic, partition) for partition in consumer.partitions_for_topic(topic) or ()
    ]
    moment = int((release.announced_at + seconds) * 1000)
    after = consumer.offsets_for_times(dict.fromkeys(places, moment))
    ends = consumer.end_offsets(places)
    return {
        place.partition: after[place].offset if after.get(place) else ends[place]
        for place in places
    }
