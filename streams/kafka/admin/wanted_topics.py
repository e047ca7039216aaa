"""The topics as the settings want them, and how those on a cluster differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from streams.kafka.topics import RELEASES, TOPICS, Topic

PARTITIONS = "partitions"
REPLICATION = "replication.factor"
MIN_INSYNC = "min.insync.replicas"
CLEANUP = "cleanup.policy"
MESSAGE_BYTES = "max.message.bytes"

Properties = Mapping[str, str]
"""``PARTITIONS``, ``REPLICATION``, and the broker's settings of a topic, by their names there."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A property of a topic that is not as it is wanted."""

    topic: str
    """The name on the cluster."""
    name: str
    wanted: str
    there: str
    breaks: str = ""
    """What the difference makes impossible; empty where it breaks nothing."""

    def __str__(self) -> str:
        end = f": {self.breaks}" if self.breaks else ""
        return f"topic {self.topic} has {self.name} {self.there}, not {self.wanted}{end}"


@dataclass(frozen=True, slots=True)
class WantedTopic:
    """A topic with what it is created with."""

    topic: Topic
    replication: int = 1
    stated: Properties = field(default_factory=dict)
    """What the settings state for this topic, over its defaults."""

    @property
    def properties(self) -> Properties:
        """Everything that the topic is created with."""
        return {
            PARTITIONS: str(self.topic.partitions),
            REPLICATION: str(self.replication),
            **self.topic.config(),
            **self.stated,
        }

    @property
    def partitions(self) -> int:
        """Number of partitions."""
        return int(self.properties[PARTITIONS])

    @property
    def config(self) -> Properties:
        """The broker's settings of the topic."""
        properties = dict(self.properties)
        del properties[PARTITIONS], properties[REPLICATION]
        return properties

    def differences(self, name: str, there: Properties) -> Iterator[Difference]:
        """Each property of the topic ``name`` that is not as wanted.

        A property that ``there`` lacks, because it may not be read, is no difference.
        """
        for key, value in self.properties.items():
            found = there.get(key, value)
            if found != value:
                yield Difference(name, key, value, found, self._breaks(key, value, found))
        replicas, insync = int(there.get(REPLICATION, 1)), int(there.get(MIN_INSYNC, 1))
        if insync > replicas:
            breaks = "no write to it is ever acknowledged"
            yield Difference(name, MIN_INSYNC, f"at most {replicas}", str(insync), breaks)

    def is_reported(self, difference: Difference) -> bool:
        """Whether a difference is logged at each start: it breaks something, or was stated."""
        return bool(
            difference.breaks or difference.name in self.stated or difference.name == CLEANUP
        )

    def _breaks(self, key: str, wanted: str, there: str) -> str:
        if key == CLEANUP and self.topic.cleanup == "compact":
            return "Kafka would delete records that must be kept"
        if key == MESSAGE_BYTES and int(there) < int(wanted):
            return "the largest messages could not be written"
        if key == PARTITIONS and self.topic is RELEASES:
            return "announcements would have no order"
        return ""


DEFAULT_TOPICS = tuple(WantedTopic(topic) for topic in TOPICS)
"""Every topic, in flow order, as it is wanted without settings."""
