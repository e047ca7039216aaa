"""Feeding what is new: kills, brokers and files that are away, with a topic in memory."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import fsspec
import pytest

from schemas.errors import BrokerError
from schemas.records import Document
from streams.backoff import Backoff
from streams.data.sources import EVERY_FILE, Columns
from streams.intake.watch import watching as module
from streams.intake.watch.delivery import Sent
from streams.intake.watch.directory import Directory
from streams.intake.watch.fed import Fed
from streams.intake.watch.store import Store
from streams.intake.watch.watching import Watched, Watching
from streams.stages.metrics import Metrics
from tests.integration.waiting import wait_until


class Topic:
    """A delivery to a list. Can fail on cue, before or after the broker has the documents."""

    def __init__(self) -> None:
        self.written: list[Document] = []
        self.fail_before: list[Exception] = []
        self.fail_after: list[Exception] = []

    def send(self, fed: Fed, documents) -> Sent:
        fed.begin({0: len(self.written)})
        if self.fail_before:
            raise self.fail_before.pop()
        self.written += documents
        if self.fail_after:
            raise self.fail_after.pop()
        fed.finish(one.id for one in documents)
        return Sent(len(documents), 1, [])

    def recover(self, fed: Fed) -> int | None:
        starts = fed.unfinished()
        if not starts:
            return None
        found = self.written[starts[0] :]
        fed.finish(one.id for one in found)
        return len(found)

    @property
    def texts(self) -> list[str]:
        return [one.text for one in self.written]


class NoLag:
    unknown: str | None = None
    lag = 0
    waits: list[int]

    def __init__(self) -> None:
        self.waits = []

    def add(self, documents: int) -> None: ...

    def wait_seconds(self) -> int | None:
        return self.waits.pop() if self.waits else None


class Setup:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.topic = Topic()
        self.lag = NoLag()
        self.events: list[dict[str, object]] = []
        self.stack = ExitStack()
        self.watched: Watched | None = None

    def watching(self, source: Any = None) -> Watching:
        """A new process on the same state."""
        self.stack.close()
        source = source or Directory(
            str(self.directory / "inbox"),
            seconds=0.05,
            settle_seconds=0,
            choice=EVERY_FILE,
            format=None,
            columns=Columns(),
        )
        fed = Fed(self.directory / "state", "", "inbox", "cluster")
        self.watched = Watched(source, self.stack.enter_context(fed))
        topic: Any = self.topic
        lag: Any = self.lag
        return Watching([self.watched], topic, lag, Metrics(), self.events.append)

    def put(self, name: str, text: str) -> None:
        (self.directory / "inbox" / name).write_text(text)


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setup]:
    monkeypatch.setattr(module, "_AGAIN", Backoff(0.01, 0.02))
    (tmp_path / "inbox").mkdir()
    made = Setup(tmp_path)
    yield made
    made.stack.close()


@contextmanager
def running(watching: Watching) -> Iterator[None]:
    """Watch on a thread while the block runs."""
    thread = threading.Thread(target=watching.run)
    thread.start()
    try:
        yield
    finally:
        watching.stop()
        thread.join()


def rows(first: int, count: int) -> str:
    return "".join(f'{{"text": "row {n}"}}\n' for n in range(first, first + count))


def test_each_document_is_fed_once_over_many_starts(setup):
    setup.put("a.txt", "A")
    setup.put("rows.jsonl", rows(0, 3))
    for _ in range(3):
        setup.watching().run(once=True)
    setup.put("b.txt", "B")
    setup.put("rows.jsonl", rows(0, 5))
    setup.watching().run(once=True)
    assert setup.topic.texts == ["A", *(f"row {n}" for n in range(3)), "B", "row 3", "row 4"]
    assert [event["documents"] for event in setup.events] == [4, 3]


def test_a_file_that_was_only_touched_is_not_fed_again(setup):
    setup.put("a.txt", "A")
    setup.watching().run(once=True)
    (setup.directory / "inbox" / "a.txt").touch()
    setup.watching().run(once=True)
    assert setup.topic.texts == ["A"]


@pytest.mark.parametrize("when", ["fail_before", "fail_after"])
def test_a_kill_while_documents_are_sent_neither_loses_nor_doubles(setup, monkeypatch, when):
    monkeypatch.setattr(module, "_CHUNK_DOCUMENTS", 4)
    setup.put("rows.jsonl", rows(0, 10))
    getattr(setup.topic, when).append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        setup.watching().run(once=True)
    setup.watching().run(once=True)
    assert sorted(setup.topic.texts) == sorted(f"row {n}" for n in range(10))


def test_a_broker_that_is_away_is_waited_for(setup):
    setup.put("rows.jsonl", rows(0, 10))
    setup.topic.fail_before += [BrokerError("no broker"), BrokerError("no broker")]
    setup.topic.fail_after += [BrokerError("no answer")]
    watching = setup.watching()
    with running(watching):
        wait_until(lambda: len(setup.topic.written) == 10 and watching.not_ready is None)
    setup.watching().run(once=True)
    assert sorted(setup.topic.texts) == sorted(f"row {n}" for n in range(10))
    assert [event["event"] for event in setup.events] == ["unavailable"] * 3


def test_once_ends_where_the_broker_is_away(setup):
    setup.put("a.txt", "A")
    setup.topic.fail_before.append(BrokerError("no broker"))
    with pytest.raises(BrokerError, match="no broker"):
        setup.watching().run(once=True)
    setup.watching().run(once=True)
    assert setup.topic.texts == ["A"]


def test_while_too_many_documents_wait_nothing_is_sent(setup):
    setup.put("a.txt", "A")
    setup.lag.waits = [1]
    setup.watching().run(once=True)
    assert setup.topic.texts == ["A"]


def test_what_cannot_be_read_is_refused_once(setup, caplog):
    setup.put("rows.jsonl", '{"text": "good"}\nnot json\n')
    setup.put("binary.txt", "\0\1\2")
    watching = setup.watching()
    watching.run(once=True)
    assert setup.topic.texts == ["good"]
    assert watching.refused == 2
    assert "rows.jsonl#2" in caplog.text
    again = setup.watching()
    again.run(once=True)
    assert again.refused == 0


def test_a_file_of_a_store_that_cannot_be_opened_is_tried_again(setup, monkeypatch):
    memory = fsspec.filesystem("memory")
    memory.pipe({"/b/a.txt": b"A", "/b/c.txt": b"C"})
    opened, failures = type(memory).open, [RuntimeError("the endpoint is away")]

    def fail(self, path, *arguments, **options):
        if failures and path.endswith("a.txt"):
            raise failures.pop()
        return opened(self, path, *arguments, **options)

    monkeypatch.setattr(type(memory), "open", fail)
    store = Store(
        "memory://b",
        seconds=0.05,
        settle_seconds=0,
        choice=EVERY_FILE,
        format=None,
        columns=Columns(),
    )
    try:
        with running(setup.watching(store)):
            wait_until(lambda: len(setup.topic.written) == 2)
            memory.pipe("/b/a.txt", b"A, changed")
            wait_until(lambda: len(setup.topic.written) == 3)
    finally:
        memory.store.clear()
    assert setup.topic.texts == ["C", "A", "A, changed"]


def test_a_source_that_is_away_is_waited_for(setup):
    (setup.directory / "inbox").rmdir()
    watching = setup.watching()
    with running(watching):
        wait_until(lambda: "no such file or directory" in str(watching.not_ready))
        (setup.directory / "inbox").mkdir()
        setup.put("a.txt", "A")
        wait_until(lambda: bool(setup.topic.written) and watching.not_ready is None)
    assert setup.topic.texts == ["A"]


def test_an_error_of_ours_does_not_end_the_process(setup, caplog):
    setup.put("a.txt", "A")
    setup.topic.fail_before.append(ZeroDivisionError("a mistake"))
    with running(setup.watching()):
        wait_until(lambda: bool(setup.topic.written))
    assert setup.topic.texts == ["A"]
    assert "a mistake" in caplog.text


def test_once_waits_for_a_file_that_was_just_written(setup):
    source = Directory(
        str(setup.directory / "inbox"),
        seconds=0.05,
        settle_seconds=0.5,
        choice=EVERY_FILE,
        format=None,
        columns=Columns(),
    )
    setup.put("a.txt", "A")
    setup.topic.fail_after.append(BrokerError("no answer"))
    with pytest.raises(BrokerError):
        setup.watching(source).run(once=True)
    setup.watching(source).run(once=True)
    assert setup.topic.texts == ["A"]
