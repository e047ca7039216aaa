"""Watched sources against a real broker: each document is on the topic once, whatever is killed."""

import json
import os
import random
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from streams.data.feed import feed
from streams.kafka.admin.creation import create_topics
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.kafka.reading.replay import replay
from streams.kafka.topics import DOCUMENTS
from streams.observe.lag import FlowReader
from streams.settings import Settings, load
from tests.integration.commands import backstream
from tests.integration.conftest import kill_broker
from tests.integration.documents import notes
from tests.integration.running import started
from tests.integration.test_cli import run
from tests.integration.waiting import wait_until
from tests.unit.streams.intake.watch.test_feed import Server, item, rss


def counts(settings: Settings) -> Counter[str]:
    """How often each id is on ``documents``."""
    received = replay(settings.kafka.cluster(), DOCUMENTS)
    return Counter(one.key.decode() for one in received if one.key)


def watch(settings: Settings, *arguments: str) -> tuple[str, ...]:
    return (
        *("watch", "--broker", settings.kafka.bootstrap_servers),
        *("--state-dir", str(settings.state_dir)),
        *("-s", "watch.seconds=0.1", "-s", "watch.settle_seconds=0.2"),
        *("-s", "intake.max_lag=null"),
        *arguments,
    )


def _has(settings: Settings, wanted: int) -> bool:
    """Whether so many messages are on ``documents``."""
    with FlowReader(settings.kafka.cluster(), (), [DOCUMENTS]) as reader:
        return reader.read().messages[DOCUMENTS.name] >= wanted


def rows(first: int, count: int) -> str:
    return "".join(
        json.dumps({"text": f"row {n} " * 20, "source": f"rows/{n}"}) + "\n"
        for n in range(first, first + count)
    )


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def test_files_are_fed_once_as_they_come_and_change(settings, inbox, tmp_path):
    (inbox / "there.md").write_text("# There\n\nBefore the start.")
    with started(tmp_path, *watch(settings, str(inbox))) as running:
        assert running.event("ready")["sources"] == [str(inbox)]
        assert running.event("fed")["documents"] == 1
        (inbox / ".new.txt.part").write_text("Renamed into place.")
        (inbox / ".new.txt.part").rename(inbox / "new.txt")
        assert running.event("fed")["documents"] == 1
        (inbox / "rows.jsonl").write_text(rows(0, 10))
        assert running.event("fed")["documents"] == 10
        with (inbox / "rows.jsonl").open("a") as file:
            file.write(rows(10, 5))
        assert running.event("fed")["documents"] == 5
        assert running.terminate() == 0
    (inbox / "meanwhile.txt").write_text("Written while nobody watched.")
    with started(tmp_path, *watch(settings, str(inbox))) as running:
        assert running.event("fed")["documents"] == 1
    assert set(counts(settings).values()) == {1}
    assert len(counts(settings)) == 18


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="for POSIX")
def test_a_file_that_is_written_slowly_is_fed_whole(settings, inbox, tmp_path):
    with started(tmp_path, *watch(settings, str(inbox))) as running:
        running.event("ready")
        with (inbox / "slow.txt").open("w") as file:
            file.write("The first half ")
            file.flush()
            (inbox / "mark.txt").write_text("Something that is fed meanwhile.")
            assert running.event("fed")["documents"] == 1
            file.write("and the second.")
        assert running.event("fed")["documents"] == 1
    assert len(counts(settings)) == 2


@pytest.mark.parametrize("seed", [3])
def test_kill_9_neither_loses_nor_doubles(settings, inbox, tmp_path, seed):
    chance = random.Random(seed)
    (inbox / "rows.jsonl").write_text(rows(0, 8_000))
    for number in range(50):
        (inbox / f"{number}.txt").write_text(f"Text {number}.")
    so_far = 0
    for _ in range(3):
        with started(tmp_path, *watch(settings, str(inbox))) as running:
            running.event("ready")
            wanted = so_far + chance.randint(1, 2000)
            wait_until(partial(_has, settings, wanted))
            running.kill()
        so_far = sum(counts(settings).values())
        feed(settings.kafka.cluster(), notes([so_far]))  # by another producer
    ended = run(*watch(settings, str(inbox), "--once"))
    assert ended.returncode == 0, ended.stderr
    found = counts(settings)
    assert len(found) == 8_050 + 3
    assert set(found.values()) == {1}


def test_once_ends_and_says_what_could_not_be_read(settings, inbox, tmp_path):
    (inbox / "a.txt").write_text("A text.")
    (inbox / "broken.jsonl").write_text("{\n")
    first = run(*watch(settings, str(inbox), "--once"))
    assert first.returncode == 3
    assert "broken.jsonl" in first.stderr
    fed = [json.loads(line) for line in first.stdout.splitlines()][-1]
    assert (fed["documents"], fed["refused"]) == (1, 1)
    assert backstream(*watch(settings, str(inbox), "--once")).code == 0
    assert sum(counts(settings).values()) == 1


def test_a_source_is_watched_by_one_process(settings, inbox, tmp_path):
    with started(tmp_path, *watch(settings, str(inbox))) as running:
        running.event("ready")
        second = backstream(*watch(settings, f"{inbox}/", "--once"))
        assert second.code == 1
        assert "another `backstream watch`" in second.text
    assert "no such file or directory" in backstream(*watch(settings, "/no/such")).text
    assert "name a source" in backstream(*watch(settings)).text


def test_stores_and_feeds_resume_after_a_kill(settings, inbox, tmp_path):
    (inbox / "rows.jsonl").write_text(rows(0, 5000))
    feed_server = Server()
    feed_server.answer = (200, {"ETag": '"1"'}, rss(*map(item, range(300))))
    sources = f"local://{inbox}", feed_server.address
    try:
        with started(tmp_path, *watch(settings, *sources)) as running:
            running.event("ready")
            wait_until(partial(_has, settings, 500))
            running.kill()
        ended = run(*watch(settings, *sources, "--once"))
    finally:
        feed_server.close()
    assert ended.returncode == 0, ended.stderr
    assert len(counts(settings)) == 5300
    assert set(counts(settings).values()) == {1}


@pytest.mark.kafka
def test_a_broker_that_goes_away_and_comes_back(inbox, tmp_path):
    broker = EmbeddedBroker(tmp_path / "kafka")
    broker.start()
    settings = load(None, {"state_dir": tmp_path / "state"}).with_broker(broker.address)
    create_topics(settings.kafka.cluster())
    (inbox / "rows.jsonl").write_text(rows(0, 12_000))
    with started(tmp_path, *watch(settings, str(inbox))) as running:
        running.event("ready")
        wait_until(partial(_has, settings, 1000))
        kill_broker(broker)
        running.event("unavailable", 120)
        with EmbeddedBroker(tmp_path / "kafka", port=int(broker.address.split(":")[1])):
            wait_until(partial(_has, settings, 12_000), 450)
            found = counts(settings)
    assert len(found) == 12_000
    assert set(found.values()) == {1}
