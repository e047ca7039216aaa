"""The table of topics: names, values, and the broker's settings."""

import re

import pytest

from schemas.record import Record
from schemas.records import RECORDS, Decision, Example, HumanRating, Preference
from schemas.release import Release
from schemas.wire import MAX_BYTES
from streams.kafka.messages import Received
from streams.kafka.topics import (
    CURATED,
    DEAD_LETTERS,
    DECISIONS,
    PREFERENCES,
    RATINGS,
    RELEASES,
    SCORED,
    TOPICS,
    Topic,
    topic_of,
)
from streams.kafka.writing.dead_letters import dead_letter

_DAY_MS = 24 * 3600 * 1000


def test_names_are_different_and_fit_kafka() -> None:
    names = [topic.name for topic in TOPICS]
    assert len(set(names)) == len(names)
    # A dot and an underscore collide in Kafka's own metric names.
    assert all(re.fullmatch(r"[a-z-]{1,249}", name) for name in names)


def test_each_record_has_one_topic() -> None:
    assert sorted(topic.record.name for topic in TOPICS if topic.record) == sorted(
        record.name for record in RECORDS
    )
    assert [topic for topic in TOPICS if topic.record is None] == [DEAD_LETTERS]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_a_record_finds_its_topic(record: type[Record]) -> None:
    assert topic_of(record).record is record


def test_what_is_folded_by_key_is_kept_for_ever() -> None:
    folded = {topic_of(record) for record in (Decision, Example, Preference, HumanRating, Release)}
    assert (
        {topic for topic in TOPICS if topic.cleanup == "compact"}
        == folded
        == {DECISIONS, CURATED, PREFERENCES, RATINGS, RELEASES}
    )
    for topic in folded:
        assert topic.config()["cleanup.policy"] == "compact"
        assert topic.config()["retention.ms"] == "-1"


def test_the_rest_is_kept_for_its_days() -> None:
    assert Topic("a", Example, 1).config()["retention.ms"] == str(7 * _DAY_MS)
    assert Topic("a", Example, 1, retention_days=0.5).config()["retention.ms"] == str(_DAY_MS // 2)
    assert int(DEAD_LETTERS.config()["retention.ms"]) >= 365 * _DAY_MS
    assert all(set(topic.config()) == set(CURATED.config()) for topic in TOPICS)
    assert all(isinstance(value, str) for topic in TOPICS for value in topic.config().values())


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_the_largest_record_fits_with_its_headers(topic: Topic) -> None:
    assert int(topic.config()["max.message.bytes"]) > MAX_BYTES


def test_the_largest_message_of_any_topic_fits_as_a_dead_letter() -> None:
    letter = dead_letter(
        Received("documents", 0, 0, b"k", b""), "segmenter", ValueError("x" * 1_000_000)
    )
    added = sum(len(name) + len(value) for name, value in letter.headers)
    largest = max(
        int(topic.config()["max.message.bytes"]) for topic in TOPICS if topic is not DEAD_LETTERS
    )
    assert largest + added < int(DEAD_LETTERS.config()["max.message.bytes"])


def test_the_curators_state_lies_beside_what_it_reads() -> None:
    assert SCORED.partitions == CURATED.partitions
    assert all(topic.partitions >= 1 for topic in TOPICS)
