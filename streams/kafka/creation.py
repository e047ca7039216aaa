"""Creation of the topics."""

from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import TopicAlreadyExistsError

from schemas.errors import SettingsError
from streams.kafka.clients import connect, kafka_errors
from streams.kafka.cluster import Cluster
from streams.kafka.topics import CURATED, SCORED, TOPICS


def create_topics(cluster: Cluster, replication: int = 1) -> list[str]:
    """Create the topics that are missing and return their names.

    Before anything reads, because faust can take 45 s to subscribe to a topic that appears later.

    Raises BrokerError, and SettingsError where ``scored`` and ``curated`` exist with different
    numbers of partitions: the curator's state lies in the partition of ``curated`` with the number
    of the partition of ``scored`` that it reads.
    """
    with connect(KafkaAdminClient, cluster) as admin, kafka_errors("the topics cannot be created"):
        existing = set(admin.list_topics())
        missing = [topic for topic in TOPICS if cluster.topic(topic) not in existing]
        if missing:
            new = [
                NewTopic(
                    name=cluster.topic(topic),
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
        scored, curated = cluster.topic(SCORED), cluster.topic(CURATED)
        partitions = {
            described["name"]: len(described["partitions"])
            for described in admin.describe_topics([scored, curated])
        }
        if partitions.get(scored) != partitions.get(curated):
            raise SettingsError(
                f"topics {scored} and {curated} have {partitions.get(scored)} and "
                f"{partitions.get(curated)} partitions; they must have the same number, because "
                "novelty is judged within a partition"
            )
        return [cluster.topic(topic) for topic in missing]
