"""The live page against foreign messages, kills, a broker that is away, and people who disagree."""

import asyncio
import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from streams.data.decisions import read_decisions
from streams.kafka.admin.creation import create_topics
from streams.kafka.embedded.broker import EmbeddedBroker
from streams.kafka.topics import DEAD_LETTERS, DECISIONS
from streams.page.store.folding import FOLLOWED
from streams.page.store.follower import Follower
from streams.page.store.store import Store
from streams.page.web.acting import KafkaActions
from streams.run.processes import as_child, run_page
from streams.settings import Settings, load
from streams.settings.page import PageSettings
from tests.integration.conftest import ChildProcess, kill_broker
from tests.integration.topics import Topics
from tests.integration.unreadable import GOOD, write_unreadable
from tests.integration.waiting import wait_until
from tests.unit.streams.page.served import Served, serving
from tests.unit.streams.page.topics import candidate, example, scored

_PAIRS = 4_000
_PAGES = ("/", "/items", "/rate", "/releases", "/letters", "/items?text=why", "/parts/training")


def test_foreign_messages_on_every_topic_are_passed_over(settings: Settings) -> None:
    cluster = settings.kafka.cluster()
    topics = Topics(cluster)
    foreign = 0
    for topic in FOLLOWED:
        foreign += len(asyncio.run(write_unreadable(cluster, topic)))
        if topic.record is not None:
            topics.write(GOOD[topic.record](f"good-{topic.name}"))
    with (
        Store() as store,
        Follower(cluster, store),
        serving(store, KafkaActions(cluster, 4.0)) as server,
    ):
        page = Served(server)
        wait_until(lambda: store.items().total >= 5 and store.reading().caught_up)
        for path in _PAGES:
            assert page.get(path).status == 200, path
        for name in ("candidates", "decisions", "scored", "curated", "rejected"):
            assert page.get(f"/item?id=good-{name}").status == 200, name
        letters = store.letters().items
        assert letters
        for letter in letters:
            assert page.get(f"/letters/{letter.at}").status == 200, letter
        readable_letters = len(letters)
        assert store.reading().unreadable + readable_letters <= foreign
        assert store.reading().unreadable >= 5 * (len(FOLLOWED) - 1)
        # An offset that is not its own hides nothing that comes after it.
        assert [one.id for one in store.releases()][:1] == ["good-releases"]
        before = store.items().total
        topics.write(scored("after"))
        wait_until(lambda: store.items().total == before + 1)
        assert DEAD_LETTERS in FOLLOWED


def _serve(settings: Settings, base: Path, events: Any) -> None:
    as_child(run_page, settings, None, events.put, person="ada")


def test_a_page_that_is_killed_while_it_catches_up_goes_on(settings: Settings) -> None:
    cluster = settings.kafka.cluster()
    pairs = [scored(f"e{number}") for number in range(_PAIRS)]
    Topics(cluster).write(
        *(candidate(one.id) for one in pairs), *pairs, *(example(one) for one in pairs)
    )
    settings.state_dir.mkdir(exist_ok=True)
    own = settings.model_copy(update={"page": PageSettings(listen="127.0.0.1:0")})
    file = settings.state_dir / "page/page.sqlite"

    def read() -> int:
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(file)) as one:
            [read] = one.execute("SELECT total(next) FROM offsets").fetchone()
            return int(read)
        return 0

    for share in (0.05, 0.4, 0.7):
        page = ChildProcess(_serve, own, settings.state_dir)
        wait_until(lambda share=share: read() > share * 3 * _PAIRS)  # type: ignore[misc]
        page.kill()
    so_far = read()
    page = ChildProcess(_serve, own, settings.state_dir)
    try:
        assert str(page.wait_until_ready()["url"]).startswith("http://127.0.0.1:")
        wait_until(lambda: read() == 3 * _PAIRS)
    finally:
        page.kill()
    assert so_far > 0
    with Store(file) as store:
        assert store.items().total == _PAIRS
        assert store.facets().verdicts == {"accepted": _PAIRS}
        with store._database.reading() as database:
            written = dict(database.execute("SELECT topic, count FROM written").fetchall())
    # Each message was counted once.
    assert written == {"candidates": _PAIRS, "scored": _PAIRS, "curated": _PAIRS}


def test_people_who_decide_at_once_see_in_the_end_what_the_topic_says(settings: Settings) -> None:
    cluster = settings.kafka.cluster()
    Topics(cluster).write(scored("e1"), example(scored("e1")))
    answers: list[int] = []
    with (
        Store() as store,
        Follower(cluster, store),
        serving(store, KafkaActions(cluster, 4.0)) as server,
    ):
        wait_until(lambda: store.item("e1") is not None)

        def decide(name: str, actions: tuple[str, ...]) -> None:
            page = Served(server)
            page.post("/name", name=name)
            for action in actions:
                texts = {"instruction": f"By {name}?", "context": "", "response": "So."}
                answer = page.post(f"/item/{action}?id=e1", None, score="2", **texts)
                answers.append(answer.status)

        people = [
            threading.Thread(target=decide, args=("ada", ("drop", "edit", "undo", "accept"))),
            threading.Thread(target=decide, args=("bob", ("edit", "rate", "accept", "drop"))),
        ]
        for person in people:
            person.start()
        for person in people:
            person.join()
        assert answers == [303] * 8
        [newest] = read_decisions(cluster)

        def agree() -> bool:
            found = store.item("e1")
            assert found is not None
            assert found.decision is not None
            return (found.decision.action, found.decision.by, found.decision.at) == (
                newest.action,
                newest.by,
                newest.at,
            )

        wait_until(agree)
        # Whoever edited last: the texts are whole, of one person.
        assert newest.candidate == scored("e1").candidate
        texts = newest.ruling.texts
        assert texts is None or texts.instruction in ("By ada?", "By bob?")


@pytest.mark.kafka
def test_the_page_lives_on_without_a_broker_and_goes_on_with_it(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path / "kafka")
    broker.start()
    settings = load(None, {"state_dir": tmp_path / "state"}).with_broker(broker.address)
    cluster = settings.kafka.cluster()
    create_topics(cluster)
    topics = Topics(cluster)
    topics.write(scored("e1"), example(scored("e1")))
    with (
        Store() as store,
        Follower(cluster, store),
        serving(store, KafkaActions(cluster, 4.0)) as server,
    ):
        page = Served(server, seconds=540)
        wait_until(lambda: store.item("e1") is not None and store.reading().caught_up)
        kill_broker(broker)
        wait_until(lambda: store.reading().error is not None)
        assert "not live" in page.get("/parts/state").text
        for path in (*_PAGES, "/item?id=e1"):
            assert page.get(path).status == 200, path
        refused = page.post("/item/drop?id=e1")
        assert refused.status == 503
        assert "Not available now" in refused.text

        port = int(broker.address.rpartition(":")[2])
        with EmbeddedBroker(tmp_path / "kafka", port=port):
            wait_until(lambda: store.reading().caught_up)
            topics.write(scored("e2"))
            wait_until(lambda: store.item("e2") is not None)
            wait_until(lambda: '"good">live' in page.get("/parts/state").text)
            assert page.post("/item/drop?id=e1").status == 303
            assert [one.action for one in read_decisions(cluster)] == ["drop"]
            assert cluster.topic(DECISIONS) == "decisions"
