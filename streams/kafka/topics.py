"""The topics, as a table."""

from dataclasses import dataclass

from schemas.record import Record
from schemas.records import (
    Bootstrap,
    Candidate,
    Decision,
    Document,
    Example,
    HumanRating,
    Preference,
    Question,
    Rejection,
    Scored,
    Segment,
)
from schemas.release import Release
from schemas.wire import MAX_BYTES

_DAY_MS = 24 * 3600 * 1000
_HEADROOM = 512 * 1024
"""Bytes of key and headers beyond the value. Dead letters get twice as many, for a stack trace."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. ``record`` is None where values are kept as they came."""

    name: str
    """The name without a prefix. ``Cluster.topic`` gives the name on the cluster."""
    record: type[Record] | None
    partitions: int
    cleanup: str = "delete"
    retention_days: float = 7
    timed_by_broker: bool = False
    """Whether the broker sets the time of a message, rather than its writer."""

    def config(self) -> dict[str, str]:
        """The broker's settings of the topic."""
        retention = "-1" if self.cleanup == "compact" else str(int(self.retention_days * _DAY_MS))
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": retention,
            "message.timestamp.type": "LogAppendTime" if self.timed_by_broker else "CreateTime",
            "max.message.bytes": str(MAX_BYTES + (2 if self.record is None else 1) * _HEADROOM),
        }


DOCUMENTS = Topic("documents", Document, 4)
SEGMENTS = Topic("segments", Segment, 4)
BOOTSTRAPS = Topic("bootstraps", Bootstrap, 4)
QUESTIONS = Topic("questions", Question, 4)
# A re-rating compares the times of a release and of candidates, so one clock sets both.
CANDIDATES = Topic("candidates", Candidate, 4, retention_days=365, timed_by_broker=True)
DECISIONS = Topic("decisions", Decision, 1, cleanup="compact")
# Novelty is judged within a partition. One curator keeps up with a hundred GPUs.
SCORED = Topic("scored", Scored, 1, retention_days=365)
CURATED = Topic("curated", Example, 1, cleanup="compact")
PREFERENCES = Topic("preferences", Preference, 1, cleanup="compact")
RATINGS = Topic("ratings", HumanRating, 1, cleanup="compact")
REJECTED = Topic("rejected", Rejection, 1, retention_days=365)
DEAD_LETTERS = Topic("dead-letters", None, 1, retention_days=365)
RELEASES = Topic("releases", Release, 1, cleanup="compact", timed_by_broker=True)

TOPICS = (
    DOCUMENTS,
    SEGMENTS,
    BOOTSTRAPS,
    QUESTIONS,
    CANDIDATES,
    DECISIONS,
    SCORED,
    CURATED,
    PREFERENCES,
    RATINGS,
    REJECTED,
    DEAD_LETTERS,
    RELEASES,
)
"""Every topic, in flow order."""


def topic_of(record: type[Record]) -> Topic:
    """The topic that a record type is written to."""
    return next(topic for topic in TOPICS if topic.record is record)
