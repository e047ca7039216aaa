"""What a person does on the page is on the topics of a real broker."""

import re
from pathlib import Path

from schemas.release import Release, ReleaseStatus
from streams.data.decisions import read_decisions
from streams.data.ratings import read_ratings
from streams.kafka.messages import Received
from streams.kafka.topics import DEAD_LETTERS, SEGMENTS
from streams.kafka.writing.dead_letters import dead_letter
from streams.page.store.filters import Filter, Verdict
from streams.page.store.follower import Follower
from streams.page.store.store import Store
from streams.page.web.acting import KafkaActions
from streams.releases.announcements import in_service, read_releases
from streams.settings import Settings
from tests.integration.topics import Topics
from tests.integration.waiting import wait_until
from tests.unit.streams.page.served import Served, serving
from tests.unit.streams.page.topics import candidate, example, scored, segment


def test_people_decide_on_the_page(settings: Settings, tmp_path: Path) -> None:
    cluster = settings.kafka.cluster()
    topics = Topics(cluster)
    releases = [
        Release(id=id, parent="b", base="b", status=status, location="/r", created_at=1.0)
        for id, status in (("r1", ReleaseStatus.KEPT), ("r2", ReleaseStatus.IN_SERVICE))
    ]
    topics.write(
        segment(), candidate(), scored("e1"), scored("e2"), example(scored("e1")), *releases
    )
    poison = Received(cluster.topic(SEGMENTS), 0, 0, b"key", b"\xc1")
    letter = dead_letter(poison, "backward", ValueError("broken"))
    with topics.producer() as producer:
        name = cluster.topic(DEAD_LETTERS)
        producer.send(name, letter.value, letter.key, headers=list(letter.headers))
        producer.flush()
    with (
        Store(tmp_path / "page.sqlite") as store,
        Follower(cluster, store),
        serving(store, KafkaActions(cluster, 4.0)) as server,
    ):
        page = Served(server)
        wait_until(lambda: store.items().total == 2 and store.letters().total == 1)
        assert "live" in page.get("/parts/state").text

        assert page.post("/item/rate?id=e1", score="2").status == 303
        [rating] = read_ratings(cluster)
        assert (rating.id, rating.score, rating.rater) == ("e1", 2, "ada")
        wait_until(lambda: 'aria-pressed="true">2<' in page.get("/item?id=e1").text)
        page.post("/item/take-back?id=e1")
        assert read_ratings(cluster) == []

        page.post("/item/drop?id=e2")
        page.post("/item/edit?id=e1", instruction="Why?", context="", response="So.")
        decided = {one.id: one for one in read_decisions(cluster)}
        assert decided["e2"].ruling.action == "drop"
        assert decided["e2"].ruling.by == "ada"
        assert decided["e1"].candidate.ruled(decided["e1"].ruling).instruction == "Why?"
        is_dropped = Filter(verdict=Verdict.DROPPED)
        wait_until(lambda: [one.id for one in store.items(is_dropped).items] == ["e2"])
        response = "x" * 3_000_000
        refused = page.post("/item/edit?id=e1", instruction="Why?", response=response)
        assert refused.status == 400
        assert "have 3,000,004 bytes" in refused.text
        assert "1,572,864" in refused.text
        assert page.post("/item/edit?id=e1", response="x" * 6_000_000).status == 413
        assert {one.id: one for one in read_decisions(cluster)} == decided
        page.post("/item/undo?id=e2")
        assert {one.id: one.action for one in read_decisions(cluster)}["e2"] == "undo"
        for address in ("/item/undo?id=e2", "/item/take-back?id=e2"):
            again = page.post(address).headers["location"]
            assert "nothing to take back" in page.get(again).text

        page.post("/releases/r1/promote")
        serving_one = in_service(read_releases(cluster), "b")
        assert serving_one is not None
        assert serving_one.id == "r1"
        wait_until(lambda: any(one.id == "r1" and one.deployed for one in store.releases()))
        page.post("/releases/rollback", id="r1")
        serving_one = in_service(read_releases(cluster), "b")
        assert serving_one is not None
        assert serving_one.id == "r2"

        at = re.findall(r"\d+@\d+", page.get("/letters").text)[0]
        sent = page.post(f"/letters/{at}/replay").headers["location"]
        assert "1 sent back" in page.get(sent).text
