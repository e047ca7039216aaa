"""Names on a cluster: two deployments with different prefixes never share one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import SettingsError
from streams.kafka.cluster import Cluster
from streams.kafka.topics import TOPICS
from streams.settings import KafkaSettings, load

_PREFIXES = st.text("ab.-_", max_size=4)
_NAMES = st.text("ab.-_:", min_size=1, max_size=4)


def test_without_a_prefix_names_are_those_of_the_table() -> None:
    cluster = Cluster({"bootstrap_servers": "a:1,b:2"})
    assert [cluster.topic(topic) for topic in TOPICS] == [topic.name for topic in TOPICS]
    assert cluster.consumer_group("scorer") == "backstream.scorer"
    assert cluster.transactional_id("backstream.trainer") == "backstream.trainer"
    assert cluster.address == "a:1,b:2"


def test_the_trainers_copy_is_of_one_prefix() -> None:
    files = {
        load(assignments=(f"kafka.topic_prefix={prefix!r}",)).dataset_file
        for prefix in ("", "a.", "b.")
    }
    state = load().state_dir
    assert files == {state / f"{prefix}dataset.sqlite" for prefix in ("", "a.", "b.")}


def test_a_prefix_leads_every_name() -> None:
    cluster = KafkaSettings(topic_prefix="team-a.", group="g").cluster()
    assert {cluster.topic(topic) for topic in TOPICS} == {f"team-a.{t.name}" for t in TOPICS}
    assert cluster.consumer_group("scorer") == "team-a.:g.scorer"
    assert cluster.transactional_id("g.trainer") == "team-a.:g.trainer"


@given(one=_PREFIXES, other=_PREFIXES.filter(bool), group=_NAMES, another=_NAMES, name=_NAMES)
def test_two_prefixes_share_no_name(
    one: str, other: str, group: str, another: str, name: str
) -> None:
    first, second = Cluster({}, one, group), Cluster({}, other, another)
    if one == other or (not one and ":" in group + name):
        return
    assert {first.topic(topic) for topic in TOPICS}.isdisjoint(map(second.topic, TOPICS))
    assert first.consumer_group(name) != second.consumer_group(name)
    assert first.transactional_id(name) != second.transactional_id(name)


@pytest.mark.parametrize("prefix", ["a b", "a:b", "a/b", "é", "x" * 201])
def test_a_prefix_that_no_topic_may_have_is_refused(prefix: str) -> None:
    with pytest.raises(SettingsError, match=re.escape("kafka.topic_prefix")):
        load(assignments=(f"kafka.topic_prefix={prefix!r}",))
