"""Feeds documents with librdkafka, in batches of every codec, and keeps what the broker took."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaException, Producer

from tests.chaos.documents import Fed, documents

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
_FLUSH_SECONDS = 120.0


@dataclass
class Feeder:
    """A producer for each codec. A document counts as fed once the broker has acknowledged it."""

    brokers: str
    seed: int
    name: str
    topic: str = "documents"
    fed: dict[str, Fed] = field(default_factory=dict)
    """The documents that the broker acknowledged, by id."""
    messages: int = 0
    """The messages that the broker acknowledged."""
    sent: int = 0
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._documents: Iterator[Fed] = documents(self.seed, self.name)
        self._chance = random.Random(f"{self.seed}/{self.name}/feeder")
        self._producers = [Producer(_settings(self.brokers, codec)) for codec in CODECS]

    def feed(self, count: int) -> None:
        """Hand over ``count`` documents. Does not wait for the broker."""
        for _ in range(count):
            document = next(self._documents)
            self._chance.choice(self._producers).produce(
                self.topic,
                document.value,
                document.key,
                headers=document.headers,
                on_delivery=self._took(document),
            )
            self.sent += 1
        self.poll()

    def poll(self) -> None:
        """Take in what the broker answered."""
        for producer in self._producers:
            producer.poll(0)

    def flush(self) -> None:
        """Wait until the broker has answered for every document."""
        for producer in self._producers:
            left = producer.flush(_FLUSH_SECONDS)
            if left:
                self.failed.append(f"{left} documents were not acknowledged")

    def _took(self, document: Fed) -> Any:
        def took(error: Any, _: Any) -> None:
            if error is not None:
                self.failed.append(f"{document.source}: {KafkaException(error)}")
                return
            self.messages += 1
            self.fed[document.id] = document

        return took


def _settings(brokers: str, codec: str) -> dict[str, Any]:
    return {
        "bootstrap.servers": brokers,
        "enable.idempotence": True,
        "compression.type": codec,
        "linger.ms": 50,
        "message.timeout.ms": 600_000,
        "reconnect.backoff.max.ms": 500,
        "topic.metadata.refresh.fast.interval.ms": 100,
        "log_level": 0,
    }
