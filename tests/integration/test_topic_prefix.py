"""Deployments that share a cluster under different topic prefixes do not see each other."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient
from typer.testing import CliRunner

from models.releases.release import read_manifest
from schemas.records import HumanRating
from streams.cli.main import app
from streams.data.dataset import connect, snapshot
from streams.data.feed import feed
from streams.data.ratings import open_ratings, pairs_to_rate, read_ratings
from streams.kafka.admin.creation import create_topics
from streams.kafka.cluster import Cluster
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.kafka.topics import TOPICS
from streams.observe.audit import audit
from streams.observe.lag import FlowReader
from streams.releases.announcements import Announcer, in_service, read_releases
from streams.settings import Settings
from tests.announcements import announcement
from tests.integration.conftest import WorkerProcess, wait_until_idle
from tests.integration.documents import notes

_PREFIXES = ("", "a.", "ab.")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """One of its own, because a deployment without a prefix is among those here."""
    with EmbeddedBroker(tmp_path / "state" / "kafka") as running:
        yield running


def _prefixed(settings: Settings, prefix: str) -> Settings:
    kafka = settings.kafka.model_copy(update={"topic_prefix": prefix})
    return settings.model_copy(update={"kafka": kafka})


def test_each_prefix_has_a_stream_of_its_own(settings, house):
    deployments = {prefix: _prefixed(settings, prefix) for prefix in _PREFIXES}
    clusters = {prefix: made.kafka.cluster() for prefix, made in deployments.items()}
    with contextlib.ExitStack() as running:
        for count, (prefix, made) in enumerate(deployments.items(), start=1):
            create_topics(clusters[prefix])
            feed(clusters[prefix], notes(range(10 * count, 11 * count)))
            worker = WorkerProcess(made, house)
            running.callback(worker.kill)
            worker.wait_until_ready()
        flows = {p: wait_until_idle(made, 1) for p, made in deployments.items()}

    assert [flow.messages["documents"] for flow in flows.values()] == [1, 2, 3]
    kept = {prefix: {example.id for example in snapshot(c)} for prefix, c in clusters.items()}
    assert all(kept.values())
    assert sum(map(len, kept.values())) == len(set().union(*kept.values())), "they are disjoint"
    for cluster in clusters.values():
        with FlowReader(cluster) as reader:
            account = audit(cluster, reader.committed())
        assert account.complete
        assert account.stages[0].followed == account.stages[0].ids > 0
    outside = connect(settings.kafka.bootstrap_servers, topic_prefix="ab.")
    assert {example.id for example in snapshot(outside)} == kept["ab."]
    _have_names_of_their_own(clusters["a."], clusters["ab."])


def _have_names_of_their_own(one: Cluster, other: Cluster) -> None:
    admin = KafkaAdminClient(**one.client)
    groups = {group["group_id"] for group in admin.list_groups()}
    topics = set(admin.list_topics())
    admin.close()
    for cluster in (one, other):
        assert {cluster.topic(topic) for topic in TOPICS} <= topics
        assert cluster.consumer_group("scorer") in groups
    assert {"backstream.scorer", "a.:backstream.scorer", "ab.:backstream.scorer"} <= groups


def test_releases_ratings_and_commands_are_of_one_prefix(settings, house):
    base = read_manifest(house).id
    one, other = (_prefixed(settings, prefix).kafka.cluster() for prefix in ("a.", "ab."))
    for cluster in (one, other):
        create_topics(cluster)
    with Announcer(one, "trainer") as first, Announcer(other, "trainer") as second:
        first.announce(announcement("r-1", base))
        second.announce(announcement("r-2", base))
        first.announce(announcement("r-3", base))
    assert [release.id for release in read_releases(one)] == ["r-1", "r-3"]
    assert [release.id for release in read_releases(other)] == ["r-2"]
    with open_ratings(one) as ratings:
        ratings.write(HumanRating(id="x", instruction="Why?", response="So.", score=4))
    assert [rating.id for rating in read_ratings(one)] == ["x"]
    assert read_ratings(other) == []
    assert pairs_to_rate(one, 5) == []

    command = ["--broker", settings.kafka.bootstrap_servers, "-s", "kafka.topic_prefix=ab."]
    promoted = CliRunner().invoke(app, ["releases", "promote", "r-2", *command])
    assert promoted.exit_code == 0, promoted.output
    assert _serving(other, base) == "r-2"
    assert _serving(one, base) == "r-3"
    listed = CliRunner().invoke(app, ["status", "--json", *command])
    assert '"ab.documents": 0' in listed.stdout


def _serving(cluster: Cluster, base: str) -> str | None:
    serving = in_service(read_releases(cluster), base)
    return serving.id if serving else None
