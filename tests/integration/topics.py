"""Topics that a test writes to and cuts, beside what the stream does."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from schemas.record import Record
from schemas.wire import encode, headers_for
from streams.kafka.cluster import Cluster
from streams.kafka.topics import Topic, topic_of

_DAY_MS = 24 * 3600 * 1000


class Topics:
    """Writes to partition 0 of a deployment's topics, and cuts them."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    @contextmanager
    def producer(self, **options: Any) -> Iterator[KafkaProducer]:
        producer = KafkaProducer(**self.cluster.client, **options)
        try:
            yield producer
        finally:
            producer.close()

    def write(self, *records: Record, age_days: float = 0) -> None:
        with self.producer() as producer:
            for record in records:
                self.send(producer, record, age_days)
            producer.flush()

    def send(self, producer: KafkaProducer, record: Record, age_days: float = 0) -> Any:
        return producer.send(
            self.cluster.topic(topic_of(type(record))),
            encode(record),
            record.id.encode(),
            headers=headers_for(type(record)),
            partition=0,
            timestamp_ms=int(time.time() * 1000 - age_days * _DAY_MS),
        )

    def cut(self, topic: Topic, before: int) -> None:
        """Delete what lies before an offset, as retention does."""
        admin = KafkaAdminClient(**self.cluster.client)
        admin.delete_records({self.place(topic): before})
        admin.close()

    def configure(self, topic: Topic, **configs: object) -> None:
        """Change settings of a topic; underscores stand for dots."""
        admin = KafkaAdminClient(**self.cluster.client)
        changed = {name.replace("_", "."): str(value) for name, value in configs.items()}
        name = self.cluster.topic(topic)
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, changed)])
        admin.close()

    def commit(self, stage: str, topic: Topic, offset: int) -> None:
        consumer = KafkaConsumer(
            **self.cluster.client,
            group_id=self.cluster.consumer_group(stage),
            enable_auto_commit=False,
        )
        consumer.assign([self.place(topic)])
        consumer.commit({self.place(topic): OffsetAndMetadata(offset, "", -1)})
        consumer.close()

    def place(self, topic: Topic) -> TopicPartition:
        return TopicPartition(self.cluster.topic(topic), 0)
