"""Creation of the topics, and whether those that are there keep what Backstream promises."""

import logging
from collections.abc import Mapping, Sequence

from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import AuthorizationError, TopicAlreadyExistsError, for_code

from schemas.errors import BrokerError, SettingsError
from streams.kafka.admin.partitions import partition_counts
from streams.kafka.admin.topic_states import read_states
from streams.kafka.admin.wanted_topics import (
    DEFAULT_TOPICS,
    PARTITIONS,
    Difference,
    Properties,
    WantedTopic,
)
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import connect, kafka_errors
from streams.kafka.connection.permissions import creating, describing
from streams.kafka.topics import CURATED, SCORED

log = logging.getLogger(__name__)


def create_topics(cluster: Cluster, wanted: Sequence[WantedTopic] = DEFAULT_TOPICS) -> list[str]:
    """Create the topics that are missing and return their names. Check those that are there.

    Before anything reads, because faust can take 45 s to subscribe to a topic that appears later.
    Topics that exist need no permission but to be described. They are not changed: a difference is
    logged, with the topic's name, if the settings state the property. Raises BrokerError, and
    SettingsError for a difference that breaks a promise (``check_topics``).
    """
    names = {cluster.topic(topic.topic): topic for topic in wanted}
    with connect(KafkaAdminClient, cluster) as admin:
        existing = partition_counts(
            admin, cluster, {name: describing("topic", name) for name in names}
        )
        missing = {name: topic for name, topic in names.items() if name not in existing}
        what = f"there is no topic {', '.join(missing)}, and it cannot be created"
        with kafka_errors(what, cluster, *map(creating, missing)):
            created = _create(admin, cluster, list(missing.values())) if missing else []
        with kafka_errors("the topics cannot be read", cluster):
            states = read_states(admin, names)
    for difference in check_topics(cluster, wanted, states):
        log.warning("%s", difference)
    return created


def check_topics(
    cluster: Cluster, wanted: Sequence[WantedTopic], states: Mapping[str, Properties]
) -> list[Difference]:
    """The differences to report, none of which breaks a promise.

    Raises SettingsError for one that does: a cleanup policy that deletes what must be kept, a limit
    below the largest message, more replicas in sync than there are. Also where ``scored`` and
    ``curated`` have different numbers of partitions: the curator's state lies in the partition of
    ``curated`` with the number of the partition of ``scored`` that it reads.
    """
    reported: list[Difference] = []
    for topic in wanted:
        name = cluster.topic(topic.topic)
        if name in states:
            found = topic.differences(name, states[name])
            reported += [difference for difference in found if topic.is_reported(difference)]
    for difference in reported:
        if difference.breaks:
            raise SettingsError(f"{difference}; change the topic, or create it anew")
    scored, curated = cluster.topic(SCORED), cluster.topic(CURATED)
    if scored in states and curated in states:
        of_scored, of_curated = states[scored][PARTITIONS], states[curated][PARTITIONS]
        if of_scored != of_curated:
            raise SettingsError(
                f"topics {scored} and {curated} have {of_scored} and {of_curated} partitions; they "
                "must have the same number, because novelty is judged within a partition"
            )
    return reported


def _create(admin: KafkaAdminClient, cluster: Cluster, topics: Sequence[WantedTopic]) -> list[str]:
    new = [
        NewTopic(
            name=cluster.topic(topic.topic),
            num_partitions=topic.partitions,
            replication_factor=topic.replication,
            topic_configs=dict(topic.config),
        )
        for topic in topics
    ]
    created = []
    for result in admin.create_topics(new, raise_errors=False)["topics"]:
        error = for_code(result["error_code"])
        if not result["error_code"]:
            created.append(result["name"])
        elif error is not TopicAlreadyExistsError:  # else another worker was faster
            if issubclass(error, AuthorizationError):
                raise error(result["name"])
            reason = result["error_message"] or error.__name__
            raise BrokerError(f"topic {result['name']} cannot be created: {reason}")
    admin.wait_for_topics([topic.name for topic in new])
    return created
