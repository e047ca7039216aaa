"""Topics on a real broker: created as the settings say, checked, and described."""

import json
import logging

import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from typer.testing import CliRunner

from schemas.errors import BrokerError, SettingsError
from streams.cli.main import app
from streams.kafka.admin.creation import create_topics
from streams.kafka.admin.topic_states import topic_states
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.kafka.topics import TOPICS
from streams.settings import Settings, load
from tests.integration.waiting import wait_until

_STATED = (
    "kafka.topics.documents.partitions=7",
    "kafka.topics.documents.retention_ms=86400000",
    "kafka.topics.documents.retention_bytes=1000000",
    "kafka.min_insync_replicas=1",
)


@pytest.fixture
def stated(broker: EmbeddedBroker, topic_prefix: str) -> Settings:
    return load(None, None, _STATED).with_broker(broker.address)


def _altered(settings: Settings, topic: str, **config: str) -> None:
    with KafkaAdminClient(**settings.kafka.client()) as admin:
        name = settings.kafka.topic_prefix + topic
        dotted = {key.replace("_", "."): value for key, value in config.items()}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, dotted)])
    cluster = settings.kafka.cluster()
    wait_until(lambda: dotted.items() <= topic_states(cluster)[name].items())


def test_topics_are_created_as_stated_and_left_as_they_are(
    stated: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    kafka = stated.kafka
    cluster = kafka.cluster()
    assert sorted(create_topics(cluster, kafka.wanted_topics())) == sorted(
        cluster.topic(topic) for topic in TOPICS
    )
    states = topic_states(cluster)
    for wanted in kafka.wanted_topics():
        name = cluster.topic(wanted.topic)
        assert list(wanted.differences(name, states[name])) == []
    documents = states[f"{kafka.topic_prefix}documents"]
    assert documents["partitions"] == "7"
    assert documents["retention.ms"] == "86400000"
    assert documents["retention.bytes"] == "1000000"

    with caplog.at_level(logging.WARNING):
        assert create_topics(cluster, kafka.wanted_topics()) == []
        assert create_topics(cluster) == [], "no settings state what differs"
        assert caplog.messages == []
        changed = load(None, None, ("kafka.topics.documents.partitions=9",)).kafka
        assert create_topics(cluster, changed.wanted_topics()) == []
    assert caplog.messages == [
        f"topic {kafka.topic_prefix}documents has partitions 7, not 9",
    ]
    assert topic_states(cluster) == states


@pytest.mark.parametrize(
    ("topic", "config", "message"),
    [
        ("curated", {"cleanup_policy": "compact,delete"}, "must be kept"),
        ("dead-letters", {"max_message_bytes": "1000"}, "largest messages"),
        ("scored", {"min_insync_replicas": "2"}, "ever acknowledged"),
    ],
)
def test_a_topic_that_breaks_a_promise_is_named(
    settings: Settings, topic: str, config: dict[str, str], message: str
) -> None:
    _altered(settings, topic, **config)
    with pytest.raises(SettingsError, match=f"{settings.kafka.topic_prefix}{topic} .*{message}"):
        create_topics(settings.kafka.cluster())


def test_a_topic_that_cannot_be_created_is_named(stated: Settings) -> None:
    three = load(None, None, ("kafka.topics.segments.replication_factor=3",))
    three = three.with_broker(stated.kafka.bootstrap_servers)
    with pytest.raises(BrokerError, match=r"segments cannot be created: .*replica"):
        create_topics(three.kafka.cluster(), three.kafka.wanted_topics())


def test_describe_shows_what_is_wanted_and_what_is_there(settings: Settings) -> None:
    _altered(settings, "documents", retention_ms="5000")
    options = ["--json", "-s", "kafka.topics.segments.partitions=5"]

    def described(*more: str) -> dict[str, dict[str, str]]:
        run = CliRunner().invoke(app, ["describe", *options, *more], catch_exceptions=False)
        prefix = settings.kafka.topic_prefix
        return {row["topic"].removeprefix(prefix): row for row in json.loads(run.stdout)["topics"]}

    found = described("--broker", settings.kafka.bootstrap_servers)
    assert found["documents"]["there"] == "retention.ms 5000"
    assert found["documents"]["kept"] == "7 days"
    assert (found["segments"]["partitions"], found["segments"]["there"]) == ("5", "partitions 4")
    assert found["curated"]["there"] == "as wanted"
    assert {row["there"] for row in described().values()} == {"no broker was asked"}
