"""Every reader of a topic against every kind of message that it cannot read.

All kinds lie on each topic, between two good records. A reader reads the topic once; each kind is
a test of its own.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from typer.testing import CliRunner, Result

from schemas.record import Record
from schemas.records import Decision
from schemas.wire import encode, headers_for
from streams.cli.main import app
from streams.data.changes import changes, newest
from streams.data.dataset import snapshot
from streams.data.decisions import read_decisions
from streams.data.preferences import preferences
from streams.data.ratings import pairs_to_rate, read_ratings
from streams.kafka.admin.creation import create_topics
from streams.kafka.cluster import Cluster
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.kafka.messages import Received
from streams.kafka.reading.records import RecordReader, log_unreadable
from streams.kafka.reading.replay import replay
from streams.kafka.topics import (
    BOOTSTRAPS,
    CANDIDATES,
    CURATED,
    DEAD_LETTERS,
    DECISIONS,
    DOCUMENTS,
    PREFERENCES,
    QUESTIONS,
    RATINGS,
    REJECTED,
    RELEASES,
    SCORED,
    SEGMENTS,
    TOPICS,
    Topic,
)
from streams.kafka.writing.dead_letters import dead_letter
from streams.observe.audit import audit
from streams.observe.letters import details, read_letters
from streams.releases.announcements import read_releases
from streams.releases.following import follow_in_service
from streams.run.demo.demo import feed_missing
from streams.settings import Settings, load
from streams.stages.topology import STAGES
from streams.trainer.curated_set import CuratedSet
from streams.worker.restoring import restore
from tests.integration.unreadable import GOOD, Raw, unreadable, write_unreadable

_PREFIX = "unreadable."


@dataclass
class Seeded:
    """Topics that hold every kind of unreadable message."""

    settings: Settings
    directory: Path
    offsets: dict[tuple[str, str], int] = field(default_factory=dict)
    """Topic and kind to the message's offset. All are on partition 0."""

    @property
    def cluster(self) -> Cluster:
        return self.settings.kafka.cluster()


def _good(topic: Topic, number: int) -> Raw:
    if topic.record is not None:
        record = GOOD[topic.record](f"{topic.record.name}{number}")
        return record.id.encode(), encode(record), [*headers_for(topic.record)]
    headers: Any = [("theirs", None)]
    source = Received(_PREFIX + DOCUMENTS.name, 0, 1 + number, b"key", b"%d" % number, headers)
    letter = dead_letter(source, "segmenter", ValueError("bad"))
    return letter.key, letter.value, [*letter.headers]


@pytest.fixture(scope="module")
def seeded(broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    directory = tmp_path_factory.mktemp("unreadable")
    settings = load(None, {"state_dir": directory}, (f"kafka.topic_prefix={_PREFIX}",))
    made = Seeded(settings.with_broker(broker.address), directory)
    create_topics(made.cluster)
    asyncio.run(_seed(made))
    return made


async def _seed(made: Seeded) -> None:
    # aiokafka's, because kafka-python's producer cannot write a header without a value.
    async with AIOKafkaProducer(**made.cluster.client, acks="all") as producer:
        for topic in TOPICS:
            for number, kind in enumerate(("first", "last")):
                key, value, headers = _good(topic, number)
                sent = await producer.send_and_wait(
                    made.cluster.topic(topic), value, key, partition=0, headers=headers
                )
                made.offsets[topic.name, kind] = sent.offset
                if kind == "first":
                    for bad, offset in (await write_unreadable(made.cluster, topic)).items():
                        made.offsets[topic.name, bad] = offset


class _Agent:
    """Notes what it is restored from."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def restore_ruling(self, decision: Decision) -> None:
        self.ids.append(decision.id)

    def restore(self, key: str, record: Record | None) -> None:
        self.ids.append(key)

    def recall(self, record: Record) -> None:
        self.ids.append(record.id)


def _restore(seeded: Seeded, reader: RecordReader) -> list[str]:
    (spec,) = (spec for spec in STAGES if spec.state is not None)
    place = TopicPartition(seeded.cluster.topic(spec.source), 0)
    consumer = KafkaConsumer(
        **seeded.cluster.client, group_id=seeded.cluster.consumer_group(spec.name)
    )
    consumer.assign([place])
    consumer.commit({place: OffsetAndMetadata(consumer.end_offsets([place])[place], "", -1)})
    consumer.close()
    agent = _Agent()
    asyncio.run(restore(agent, spec, 0, seeded.cluster, reader))  # type: ignore[arg-type]
    return agent.ids


def _announced(seeded: Seeded, reader: RecordReader) -> list[str]:
    async def first() -> str:
        async with aclosing(follow_in_service(seeded.cluster, "base", reader)) as releases:
            return (await anext(releases))[0].id

    return [asyncio.run(first())]


def _changes(seeded: Seeded, reader: RecordReader) -> list[str]:
    found = []
    for change in changes(seeded.cluster, {}):
        found.append(change.id)
        if change.id == "example1":
            return found
    raise AssertionError("changes end only when they are told to")


def _curated_set(seeded: Seeded, reader: RecordReader) -> list[str]:
    with CuratedSet(seeded.directory / "dataset.sqlite", reader) as curated:
        curated.apply(replay(seeded.cluster, CURATED))
        assert curated.offsets()[0] == seeded.offsets[CURATED.name, "last"] + 1
        return [example.id for example in curated.examples()]


def _audit(seeded: Seeded, reader: RecordReader) -> list[str]:
    # Two of the unreadable documents are dead letters; those that are not committed are in flight.
    account = audit(seeded.cluster, {})
    assert account.complete
    assert account.rejections == {("scorer", "bad"): 2}
    segmenter = account.stages[0]
    assert segmenter.ids == seeded.offsets[DOCUMENTS.name, "last"] + 1
    assert segmenter.dead == 2
    assert account.unreadable.total == len(account.unreadable.named)
    for message in account.unreadable.named:
        log_unreadable(message)
    return [stage.stage for stage in account.stages]


def _held(seeded: Seeded, reader: RecordReader) -> list[str]:
    return [f"{feed_missing(seeded.cluster, (), print)} held"]


def _letters(seeded: Seeded, reader: RecordReader) -> list[str]:
    letters = list(read_letters(seeded.cluster))
    shown = [details(letter) for letter in letters]
    assert len(shown) == 2 + len(unreadable(DEAD_LETTERS))
    assert list(read_letters(seeded.cluster, "scorer")) == []
    return [str(what["source"]) for what in (shown[0], shown[-1])]


_PAIRS = ["scored0", "scored1"]
_DECISIONS = ["decision0", "decision1"]
_EXAMPLES = ["example0", "example1"]
_SOURCE = f"{_PREFIX}{DOCUMENTS.name}/0@"
READERS: dict[str, tuple[Callable[[Seeded, RecordReader], list[str]], list[str], list[Topic]]] = {
    "snapshot": (lambda s, _: [e.id for e in snapshot(s.cluster)], _EXAMPLES, [CURATED]),
    "newest": (lambda s, _: [c.id for c in newest(s.cluster)], _EXAMPLES, [CURATED]),
    "changes": (_changes, _EXAMPLES, [CURATED]),
    "read_ratings": (
        lambda s, r: [rating.id for rating in read_ratings(s.cluster, r)],
        ["human_rating0", "human_rating1"],
        [RATINGS],
    ),
    "preferences": (
        lambda s, _: [pair.id for pair in preferences(s.cluster)],
        ["preference0", "preference1"],
        [PREFERENCES],
    ),
    "pairs_to_rate": (
        lambda s, _: sorted(pair.id for pair in pairs_to_rate(s.cluster, 10)),
        _PAIRS,
        [RATINGS, DECISIONS, SCORED],
    ),
    "read_releases": (
        lambda s, r: [release.id for release in read_releases(s.cluster, r)],
        ["release0", "release1"],
        [RELEASES],
    ),
    "announced": (_announced, ["release1"], [RELEASES]),
    "read_decisions": (
        lambda s, r: [decision.id for decision in read_decisions(s.cluster, r)],
        _DECISIONS,
        [DECISIONS],
    ),
    "restore": (_restore, [*_DECISIONS, *_EXAMPLES, *_PAIRS], [DECISIONS, CURATED, SCORED]),
    "curated set": (_curated_set, _EXAMPLES, [CURATED]),
    "audit": (
        _audit,
        [spec.name for spec in STAGES],
        [
            DOCUMENTS,
            SEGMENTS,
            BOOTSTRAPS,
            QUESTIONS,
            CANDIDATES,
            DECISIONS,
            SCORED,
            CURATED,
            REJECTED,
            DEAD_LETTERS,
        ],
    ),
    "demo": (_held, ["2 held"], [DOCUMENTS]),
    "dead letters": (_letters, [f"{_SOURCE}1", f"{_SOURCE}2"], []),
}
"""How each reader reads, what it must find, and the topics whose messages it notes."""


@dataclass(frozen=True)
class Outcome:
    """What a reader found, and which messages it noted, by topic, partition and offset."""

    found: list[str]
    logged: Counter[str]
    counted: Counter[str]


class _Places(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.places: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        self.places[record.getMessage().split(" ")[0]] += 1


@pytest.fixture(scope="module")
def outcome_of(seeded: Seeded) -> Callable[[str], Outcome]:
    """Runs a reader at the first call for it."""
    made: dict[str, Outcome] = {}

    def outcome(name: str) -> Outcome:
        if name not in made:
            logger, handler = logging.getLogger("streams.kafka.reading.records"), _Places()
            counted: Counter[str] = Counter()
            logger.addHandler(handler)
            try:
                found = READERS[name][0](seeded, RecordReader(lambda t: counted.update([t])))
            finally:
                logger.removeHandler(handler)
            made[name] = Outcome(found, handler.places, counted)
        return made[name]

    return outcome


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_finds_what_lies_before_and_after(
    reader: str, outcome_of: Callable[[str], Outcome]
) -> None:
    outcome = outcome_of(reader)
    assert outcome.found == READERS[reader][1]
    topics = READERS[reader][2]
    assert outcome.logged.total() == sum(len(unreadable(topic)) for topic in topics), (
        "nothing else is passed over"
    )
    if outcome.counted:
        assert outcome.counted == {topic.name: len(unreadable(topic)) for topic in topics}


@pytest.mark.parametrize(
    ("reader", "topic", "kind"),
    [
        pytest.param(reader, topic, kind, id=f"{reader}-{topic.name}-{kind}")
        for reader, (_, _, topics) in READERS.items()
        for topic in topics
        for kind in unreadable(topic)
    ],
)
def test_what_cannot_be_read_is_passed_over_and_noted_once(
    reader: str, topic: Topic, kind: str, seeded: Seeded, outcome_of: Callable[[str], Outcome]
) -> None:
    place = f"{seeded.cluster.topic(topic)}/0@{seeded.offsets[topic.name, kind]}"
    assert outcome_of(reader).logged[place] == 1


def _command(seeded: Seeded, *arguments: str) -> Result:
    options = ["--broker", seeded.settings.kafka.bootstrap_servers]
    options += ["-s", f"kafka.topic_prefix={_PREFIX}"]
    return CliRunner().invoke(app, [*arguments, *options])


@pytest.mark.parametrize("kind", unreadable(DEAD_LETTERS))
def test_a_foreign_dead_letter_is_listed_and_shown_and_not_sent_back(
    kind: str, seeded: Seeded
) -> None:
    at = f"0@{seeded.offsets[DEAD_LETTERS.name, kind]}"
    listed = _command(seeded, "dead-letters", "list", "--json")
    assert at in [json.loads(line)["at"] for line in listed.stdout.splitlines()]
    shown = _command(seeded, "dead-letters", "show", at)
    assert (shown.exit_code, json.loads(shown.stdout)["at"]) == (0, at)
    sent = _command(seeded, "dead-letters", "replay", at)
    assert (sent.exit_code, sent.stdout) == (1, "0 sent back, 1 left out\n")
    assert sent.stderr.startswith(f"{at} left out: it")


def test_dead_letters_that_say_where_they_came_from_go_back_and_the_others_do_not(
    seeded: Seeded,
) -> None:
    # The last test here: it writes to ``documents``.
    before = sum(1 for _ in replay(seeded.cluster, DOCUMENTS))
    sent = _command(seeded, "dead-letters", "replay", "all", "--json")
    report = json.loads(sent.stdout)
    assert (sent.exit_code, report["sent"]) == (3, 2)
    assert [letter["at"] for letter in report["left_out"]] == [
        f"0@{seeded.offsets[DEAD_LETTERS.name, kind]}" for kind in unreadable(DEAD_LETTERS)
    ]
    assert sum(1 for _ in replay(seeded.cluster, DOCUMENTS)) == before + 2
