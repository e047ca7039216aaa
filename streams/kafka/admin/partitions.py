"""Which topics are there, and their partitions.

A broker leaves a topic out of the list of all topics where the user may not see it. Such a topic
must not count as empty or missing, so each topic is requested by its name.
"""

from collections.abc import Mapping

from kafka import KafkaConsumer
from kafka.admin import KafkaAdminClient
from kafka.errors import TopicAuthorizationFailedError, for_code

from schemas.errors import BrokerError
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import connect, kafka_errors
from streams.kafka.connection.permissions import Permission, reading
from streams.kafka.topics import Topic


def partition_counts(
    admin: KafkaAdminClient, cluster: Cluster, needed: Mapping[str, Permission]
) -> dict[str, int]:
    """The number of partitions of each topic of ``needed`` that exists.

    Raises BrokerError where the user may not see one, which names the permission of the topic.
    """
    names = needed.keys()
    with kafka_errors("the topics cannot be seen", cluster, *needed.values()):
        described = admin.describe_topics(sorted(names))
        hidden = {
            topic["name"]
            for topic in described
            if for_code(topic["error_code"]) is TopicAuthorizationFailedError
        }
        if hidden:
            raise TopicAuthorizationFailedError(hidden)
    return {topic["name"]: len(topic["partitions"]) for topic in described if topic["partitions"]}


def partitions_of(consumer: KafkaConsumer, cluster: Cluster, topic: Topic) -> list[int]:
    """The partitions of a topic.

    Raises BrokerError where there is no such topic, and where the user may not see it.
    """
    name = cluster.topic(topic)
    found: list[int] = sorted(consumer.partitions_for_topic(name))
    if not found:
        with connect(KafkaAdminClient, cluster) as admin:
            counts = partition_counts(admin, cluster, {name: reading(name)})
            found = list(range(counts.get(name, 0)))
    if not found:
        raise BrokerError(f"there is no topic {name} on this Kafka: `backstream up` creates it")
    return found
