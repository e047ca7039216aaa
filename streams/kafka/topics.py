"""The topics, as a table, and their creation."""

from collections.abc import Mapping
from dataclasses import dataclass

from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from schemas.errors import BrokerError, SettingsError
from schemas.records import (
    Candidate,
    Document,
    Example,
    HumanRating,
    Record,
    Rejection,
    Release,
    Scored,
    Segment,
)
from schemas.wire import MAX_BYTES

_DAY_MS = 24 * 3600 * 1000
REACH_MS = 10_000
"""How long a broker may take to answer for the first time before it counts as not there."""
_HEADROOM = 512 * 1024
"""Bytes above a record's own for its key and headers; a dead letter carries a stack trace more than
its original.
"""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. ``record`` is None where bytes are kept as they came."""

    name: str
    record: type[Record] | None
    partitions: int
    cleanup: str = "delete"
    retention_days: float = 7

    def config(self) -> dict[str, str]:
        """The broker's settings for it."""
        retention = "-1" if self.cleanup == "compact" else str(int(self.retention_days * _DAY_MS))
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": retention,
            "max.message.bytes": str(MAX_BYTES + (2 if self.record is None else 1) * _HEADROOM),
        }


DOCUMENTS = Topic("documents", Document, 4)
SEGMENTS = Topic("segments", Segment, 4)
CANDIDATES = Topic("candidates", Candidate, 4, retention_days=365)
# Novelty is judged within a partition, and one curator outruns a hundred GPUs.
SCORED = Topic("scored", Scored, 1, retention_days=365)
CURATED = Topic("curated", Example, 1, cleanup="compact")
RATINGS = Topic("ratings", HumanRating, 1, cleanup="compact")
REJECTED = Topic("rejected", Rejection, 1, retention_days=365)
DEAD_LETTERS = Topic("dead-letters", None, 1, retention_days=365)
RELEASES = Topic("releases", Release, 1, cleanup="compact")

TOPICS = (
    DOCUMENTS,
    SEGMENTS,
    CANDIDATES,
    SCORED,
    CURATED,
    RATINGS,
    REJECTED,
    DEAD_LETTERS,
    RELEASES,
)
"""Every topic, in flow order."""


def topic_of(record: type[Record]) -> Topic:
    """The topic that a record type is written to."""
    return next(topic for topic in TOPICS if topic.record is record)


def create_topics(client: Mapping[str, object], replication: int = 1) -> list[str]:
    """Create the topics that are missing and return their names.

    Up front, because a topic that appears late can take faust 45 s to be subscribed. Raises
    SettingsError where existing topics contradict the table in a way that would break a promise:
    the curator's state lies in the partition of ``curated`` with the number of the partition of
    ``scored`` that it reads.
    """
    try:
        admin = KafkaAdminClient(**client, bootstrap_timeout_ms=REACH_MS)
    except KafkaError as error:
        raise BrokerError(
            f"no Kafka at {client.get('bootstrap_servers')}: {error}. Is it running, and is "
            "the address right?"
        ) from error
    try:
        existing = set(admin.list_topics())
        missing = [topic for topic in TOPICS if topic.name not in existing]
        if missing:
            new = [
                NewTopic(
                    name=topic.name,
                    num_partitions=topic.partitions,
                    replication_factor=replication,
                    topic_configs=topic.config(),
                )
                for topic in missing
            ]
            try:
                admin.create_topics(new)
            except TopicAlreadyExistsError:  # another worker was faster
                missing = []
        described = {
            d["name"]: len(d["partitions"])
            for d in admin.describe_topics([SCORED.name, CURATED.name])
        }
        if described.get(SCORED.name) != described.get(CURATED.name):
            raise SettingsError(
                f"topics {SCORED.name} and {CURATED.name} have {described.get(SCORED.name)} "
                f"and {described.get(CURATED.name)} "
                "partitions; they must have the same number, because novelty is judged "
                "within a partition"
            )
        return [topic.name for topic in missing]
    except KafkaError as error:
        raise BrokerError(f"the topics could not be created: {error}") from error
    finally:
        admin.close()
