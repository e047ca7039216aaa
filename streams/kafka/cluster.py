"""A Kafka cluster as one deployment of Backstream uses it.

How to reach it, and the names of topics, consumer groups and transactional ids there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.kafka.topics import Topic


@dataclass(frozen=True, slots=True)
class Cluster:
    """Client arguments and names. Two deployments with different topic prefixes share nothing.

    A topic's name is the prefix and the name in the table of topics. Consumer groups and
    transactional ids start with the prefix and a colon, which no topic's name may hold, so those of
    two prefixes never coincide. Without a prefix they have no colon either.
    """

    client: Mapping[str, Any]
    """Arguments that aiokafka's and kafka-python's clients share."""
    topic_prefix: str = ""
    group: str = "backstream"
    """What the consumer groups of the deployment start with, after the prefix."""
    isolation: str = "read_committed"
    """Kafka's isolation level of everything that reads topics."""

    @property
    def address(self) -> str:
        """``host:port[,host:port]``."""
        return str(self.client.get("bootstrap_servers", ""))

    @property
    def principal(self) -> str:
        """Who these clients are to the broker, unless it maps names of its own."""
        protocol = str(self.client.get("security_protocol", "PLAINTEXT"))
        if protocol.startswith("SASL"):
            return f"User:{self.client.get('sasl_plain_username')}"
        if protocol == "SSL":
            return "the subject of the client's certificate"
        return "User:ANONYMOUS"

    def topic(self, topic: Topic) -> str:
        """The name of a topic on this cluster."""
        return self.topic_prefix + topic.name

    def consumer_group(self, name: str) -> str:
        """The id of the consumer group of a stage, or of a re-rating."""
        return self._scoped(f"{self.group}.{name}")

    def transactional_id(self, name: str) -> str:
        """The transactional id of the producer called ``name``."""
        return self._scoped(name)

    def _scoped(self, id: str) -> str:
        return f"{self.topic_prefix}:{id}" if self.topic_prefix else id
