"""The properties of the topics that a cluster has."""

from collections.abc import Collection

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from streams.kafka.admin.wanted_topics import PARTITIONS, REPLICATION, Properties
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import connect, kafka_errors
from streams.kafka.topics import TOPICS


def topic_states(cluster: Cluster) -> dict[str, Properties]:
    """Name on the cluster to properties, for each topic of the table that is there.

    Raises BrokerError.
    """
    with (
        connect(KafkaAdminClient, cluster) as admin,
        kafka_errors("the topics cannot be read", cluster),
    ):
        return read_states(admin, {cluster.topic(topic) for topic in TOPICS})


def read_states(admin: KafkaAdminClient, names: Collection[str]) -> dict[str, Properties]:
    """Name to properties, for each of these topics that is there and may be described.

    The broker's settings are missing where they may not be read. Raises an error of kafka-python.
    """
    described = {
        topic["name"]: topic["partitions"]
        for topic in admin.describe_topics(sorted(names))
        if not topic["error_code"] and topic["partitions"]
    }
    if not described:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in described]
    configs = admin.describe_configs(resources, config_filter="all")["topic"]
    return {
        name: {
            PARTITIONS: str(len(partitions)),
            REPLICATION: str(min(len(partition["replica_nodes"]) for partition in partitions)),
            **{key: entry["value"] for key, entry in configs.get(name, {}).items()},
        }
        for name, partitions in described.items()
    }
