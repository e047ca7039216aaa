"""Settings of the topics: what they are created with."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streams.kafka.admin.wanted_topics import MIN_INSYNC, PARTITIONS, REPLICATION, WantedTopic
from streams.kafka.topics import CURATED, SCORED, TOPICS, Topic


class TopicSettings(BaseModel):
    """Properties of one topic. None: the default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    partitions: int | None = Field(default=None, ge=1)
    replication_factor: int | None = Field(default=None, ge=1)
    min_insync_replicas: int | None = Field(default=None, ge=1)
    retention_ms: int | None = Field(default=None, ge=-1)
    """How long messages are kept, in milliseconds; -1 for no limit."""
    retention_bytes: int | None = Field(default=None, ge=-1)
    """How many bytes a partition keeps; -1 for no limit."""


class TopicsSettings(BaseModel):
    """Properties of each topic, by its name with an underscore for a dash."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    documents: TopicSettings = TopicSettings()
    segments: TopicSettings = TopicSettings()
    bootstraps: TopicSettings = TopicSettings()
    questions: TopicSettings = TopicSettings()
    candidates: TopicSettings = TopicSettings()
    decisions: TopicSettings = TopicSettings()
    scored: TopicSettings = TopicSettings()
    curated: TopicSettings = TopicSettings()
    preferences: TopicSettings = TopicSettings()
    ratings: TopicSettings = TopicSettings()
    rejected: TopicSettings = TopicSettings()
    dead_letters: TopicSettings = TopicSettings()
    releases: TopicSettings = TopicSettings()

    def of(self, topic: Topic) -> TopicSettings:
        """The settings of a topic."""
        return getattr(self, topic.name.replace("-", "_"))  # type: ignore[no-any-return]

    @model_validator(mode="after")
    def _keep_promises(self) -> "TopicsSettings":
        if self.releases.partitions not in (None, 1):
            raise ValueError("releases.partitions must be 1: announcements have one order")
        scored, curated = (
            self.of(topic).partitions or topic.partitions for topic in (SCORED, CURATED)
        )
        if scored != curated:
            raise ValueError(
                f"scored.partitions is {scored} and curated.partitions is {curated}: they must be "
                "equal, because novelty is judged within a partition"
            )
        for topic in TOPICS:
            of = self.of(topic)
            if topic.cleanup == "compact" and (of.retention_ms, of.retention_bytes) != (None, None):
                raise ValueError(f"{topic.name} is compacted and kept: it has no retention")
        return self


def wanted_topic(
    topic: Topic, settings: TopicSettings, replication: int | None, min_insync: int | None
) -> WantedTopic:
    """A topic with its settings; ``replication`` and ``min_insync`` are those of all topics.

    Raises ValueError where more replicas must be in sync than there are.
    """
    stated = {
        PARTITIONS: settings.partitions,
        REPLICATION: settings.replication_factor or replication,
        MIN_INSYNC: settings.min_insync_replicas or min_insync,
        "retention.ms": settings.retention_ms,
        "retention.bytes": settings.retention_bytes,
    }
    replicas = stated[REPLICATION] or 1
    if (stated[MIN_INSYNC] or 1) > replicas:
        raise ValueError(
            f"{topic.name}: min_insync_replicas {stated[MIN_INSYNC]} is above replication_factor "
            f"{replicas}, so no write would be acknowledged"
        )
    return WantedTopic(
        topic, replicas, {key: str(value) for key, value in stated.items() if value is not None}
    )
