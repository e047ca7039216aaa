"""Settings of the connection to Kafka, and of what the topics are created with."""

import ssl
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from streams.kafka.admin.wanted_topics import WantedTopic
from streams.kafka.cluster import Cluster
from streams.kafka.connection.tls import TlsContext, TlsFiles
from streams.kafka.topics import TOPICS
from streams.settings.topics import TopicsSettings, wanted_topic

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
_LAST_PORT = 65535


def checked_brokers(addresses: str) -> str:
    """``HOST[:PORT][,HOST[:PORT]]``, unchanged. Raises ValueError for a port that is none.

    Clients connect to such a port and say that nothing listens there, or take another one.
    """
    for address in addresses.split(","):
        host, colon, port = address.rpartition("//")[2].strip().rpartition(":")
        is_ipv6_alone = ":" in host and not host.endswith("]")
        if not colon or is_ipv6_alone:
            continue
        if not (port.isascii() and port.isdigit() and 1 <= int(port) <= _LAST_PORT):
            raise ValueError(
                f"the port of {address.strip()} must be a number from 1 to {_LAST_PORT}"
            )
    return addresses


class KafkaSettings(BaseModel):
    """The Kafka connection. Names are those of Kafka's clients, with underscores for dots."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    bootstrap_servers: str = ""
    """``host:port[,host:port]``. Empty: the address of the embedded broker is filled in."""
    topic_prefix: str = Field(default="", pattern=r"^[a-zA-Z0-9._-]*$", max_length=200)
    """Leads the names of all topics, consumer groups and transactional ids."""
    group: str = Field(default="backstream", pattern=r"^[a-zA-Z0-9._:-]+$", max_length=200)
    """Prefix of the consumer groups, ``GROUP.STAGE``. It owns the committed offsets."""
    security_protocol: SecurityProtocol = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    ssl_password: SecretStr | None = None
    """Password of the key, where it is encrypted."""
    isolation_level: Literal["read_committed", "read_uncommitted"] = "read_committed"
    """Whether messages of aborted and of open transactions are read too."""
    replication_factor: int | None = Field(default=None, ge=1)
    """Replicas of each topic that Backstream creates. None: 1."""
    min_insync_replicas: int | None = Field(default=None, ge=1)
    """Replicas that must have a message before it is acknowledged. None: as the broker is set."""
    topics: TopicsSettings = TopicsSettings()
    """What each topic is created with. Existing topics are checked and not changed."""
    in_flight: int = Field(default=256, ge=1)
    """Most records that a stage without a model has taken in and not yet acknowledged."""
    commit_seconds: float = Field(default=1.0, gt=0)
    """Seconds between two commits of offsets."""
    session_seconds: float = Field(default=30.0, ge=1)
    """A worker that sends no heartbeat for this long loses its partitions."""
    rebalance_seconds: float = Field(default=120.0, ge=2)
    """Longest duration of a rebalance. Half of it is left to records in flight."""
    stalled_seconds: float = Field(default=600.0, gt=0)
    """A stage that is processing records and commits none for this long is not ready. One that is
    idle and leaves messages unread for this long ends its worker.
    """

    @field_validator("bootstrap_servers")
    @classmethod
    def _have_ports(cls, addresses: str) -> str:
        return checked_brokers(addresses)

    @model_validator(mode="after")
    def _complete(self) -> "KafkaSettings":
        if self.security_protocol.startswith("SASL"):
            for name in ("sasl_username", "sasl_password"):
                if getattr(self, name) is None:
                    raise ValueError(f"{self.security_protocol} needs {name}")
        if self.ssl_keyfile is not None and self.ssl_certfile is None:
            raise ValueError("ssl_keyfile needs ssl_certfile, whose key it is")
        return self

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return the TLS context; None for a protocol without TLS.

        Raises SettingsError for a file that cannot be used.
        """
        if not self.security_protocol.endswith("SSL"):
            return None
        password = self.ssl_password.get_secret_value() if self.ssl_password else None
        files = TlsFiles(self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile, password)
        return TlsContext.of(files)

    def wanted_topics(self) -> list[WantedTopic]:
        """Every topic, in flow order, as these settings want it."""
        return [
            wanted_topic(
                topic, self.topics.of(topic), self.replication_factor, self.min_insync_replicas
            )
            for topic in TOPICS
        ]

    @model_validator(mode="after")
    def _topics_can_be_written(self) -> "KafkaSettings":
        self.wanted_topics()
        return self

    def cluster(self) -> Cluster:
        """What readers and writers of the topics need."""
        return Cluster(self.client(), self.topic_prefix, self.group, self.isolation_level)

    def client(self) -> dict[str, Any]:
        """Return the arguments that the clients of aiokafka and of kafka-python share."""
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": self.security_protocol,
        }
        context = self.ssl_context()
        if context:
            arguments["ssl_context"] = context
        if self.security_protocol.startswith("SASL"):
            arguments["sasl_mechanism"] = self.sasl_mechanism
            arguments["sasl_plain_username"] = self.sasl_username
            arguments["sasl_plain_password"] = (
                self.sasl_password.get_secret_value() if self.sasl_password else None
            )
        return arguments
