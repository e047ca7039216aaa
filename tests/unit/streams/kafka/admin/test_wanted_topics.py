"""What differs between the topics of the settings and those of a cluster, and what that means."""

import pytest

from schemas.errors import SettingsError
from streams.kafka.admin.creation import check_topics
from streams.kafka.admin.wanted_topics import DEFAULT_TOPICS, Properties, WantedTopic
from streams.kafka.cluster import Cluster
from streams.kafka.topics import CURATED, DEAD_LETTERS, DOCUMENTS, RELEASES, SCORED, Topic
from streams.settings import load

_CLUSTER = Cluster({}, "p.")


def _checked(topic: Topic, there: Properties, *assignments: str) -> list[str]:
    """What is reported where a topic has these properties and is as wanted apart from them."""
    wanted = load(None, None, assignments).kafka.wanted_topics()
    (one,) = (one for one in wanted if one.topic is topic)
    states = {f"p.{topic.name}": {**one.properties, **there}}
    return [str(difference) for difference in check_topics(_CLUSTER, wanted, states)]


def test_the_defaults_are_those_of_the_table() -> None:
    assert tuple(load().kafka.wanted_topics()) == DEFAULT_TOPICS
    documents = WantedTopic(DOCUMENTS)
    assert documents.partitions == 4
    assert documents.replication == 1
    assert documents.config == DOCUMENTS.config()


def test_settings_of_a_topic_override_those_of_all() -> None:
    wanted = load(
        None,
        None,
        (
            "kafka.replication_factor=3",
            "kafka.min_insync_replicas=2",
            "kafka.topics.documents.partitions=12",
            "kafka.topics.documents.retention_ms=1000",
            "kafka.topics.documents.retention_bytes=5",
            "kafka.topics.dead_letters.replication_factor=5",
            "kafka.topics.dead_letters.min_insync_replicas=4",
        ),
    ).kafka.wanted_topics()
    of = {one.topic.name: one for one in wanted}
    documents, letters, curated = of["documents"], of["dead-letters"], of["curated"]
    assert (documents.partitions, documents.replication) == (12, 3)
    assert documents.config == {
        **DOCUMENTS.config(),
        "min.insync.replicas": "2",
        "retention.ms": "1000",
        "retention.bytes": "5",
    }
    assert (letters.replication, letters.config["min.insync.replicas"]) == (5, "4")
    assert (curated.partitions, curated.replication) == (1, 3)


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (("kafka.min_insync_replicas=2",), "above replication_factor 1"),
        (("kafka.topics.rejected.min_insync_replicas=2",), "rejected: min_insync_replicas 2"),
        (("kafka.topics.scored.partitions=2",), "they must be equal"),
        (("kafka.topics.releases.partitions=2",), "must be 1"),
        (("kafka.topics.curated.retention_ms=1000",), "curated is compacted"),
        (("kafka.topics.ratings.retention_bytes=1000",), "ratings is compacted"),
        (("kafka.topics.documents.partitions=0",), "documents.partitions"),
        (("kafka.topics.documants.partitions=1",), "did you mean"),
        (("kafka.topics.documents.partition=1",), "did you mean"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_the_settings(
    assignments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        load(None, None, assignments)


def test_the_environment_can_set_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKSTREAM_KAFKA__TOPICS__DEAD_LETTERS__PARTITIONS", "3")
    assert load().kafka.topics.dead_letters.partitions == 3
    assert load().kafka.topics.documents.partitions is None


@pytest.mark.parametrize(
    ("topic", "there", "message"),
    [
        (CURATED, {"cleanup.policy": "delete"}, "topic p.curated has cleanup.policy delete, not"),
        (CURATED, {"cleanup.policy": "compact,delete"}, "delete records that must be kept"),
        (RELEASES, {"cleanup.policy": "delete"}, "p.releases"),
        (RELEASES, {"partitions": "2"}, "no order"),
        (DEAD_LETTERS, {"max.message.bytes": "1048588"}, "largest messages"),
        (SCORED, {"min.insync.replicas": "2"}, "at most 1: no write to it is ever acknowledged"),
    ],
)
def test_what_breaks_a_promise_is_an_error(topic: Topic, there: Properties, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        _checked(topic, there)


def test_what_was_stated_is_reported_and_can_be_lived_with() -> None:
    there = {"partitions": "6", "retention.ms": "5", "replication.factor": "2"}
    assert _checked(DOCUMENTS, there) == [], "nobody has stated another number"
    stated = ("kafka.topics.documents.partitions=8", "kafka.replication_factor=3")
    assert _checked(DOCUMENTS, there, *stated) == [
        "topic p.documents has partitions 6, not 8",
        "topic p.documents has replication.factor 2, not 3",
    ]
    assert _checked(DOCUMENTS, {"cleanup.policy": "compact"}) == [
        "topic p.documents has cleanup.policy compact, not delete"
    ]
    assert _checked(DOCUMENTS, {"max.message.bytes": "99999999"}) == []


def test_scored_and_curated_have_the_same_partitions() -> None:
    states = {"p.scored": {"partitions": "2"}, "p.curated": {"partitions": "1"}}
    with pytest.raises(SettingsError, match=r"p.scored and p.curated have 2 and 1 partitions"):
        check_topics(_CLUSTER, DEFAULT_TOPICS, states)


def test_what_may_not_be_read_is_no_difference() -> None:
    assert check_topics(_CLUSTER, DEFAULT_TOPICS, {}) == []
    assert list(WantedTopic(CURATED).differences("p.curated", {"partitions": "1"})) == []
