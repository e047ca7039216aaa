"""People's decisions against a real Kafka, with workers that are killed.

The workers run the decider and the curator alone: no model is needed.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from agents.curation.settings import CuratorSettings
from agents.curator import Curator
from agents.decider import Decider
from schemas.errors import DecisionRefused
from schemas.records import (
    Candidate,
    Decision,
    Example,
    ExampleOrigin,
    Provenance,
    Rating,
    Rejection,
    Ruling,
    Scored,
)
from schemas.ruling import MOST_BYTES, Texts
from schemas.wire import MAX_BYTES
from streams.data.dataset import snapshot
from streams.data.decisions import Decisions, open_decisions, read_decisions
from streams.data.feed import seed as feed_seeds
from streams.data.judging import Undone
from streams.data.ratings import read_ratings
from streams.kafka.cluster import Cluster
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import REJECTED
from streams.observe.audit import Audit, audit
from streams.observe.lag import FlowReader
from streams.observe.letters import details, read_letters
from streams.page.store.follower import Follower
from streams.page.store.store import Store
from streams.page.web.acting import KafkaActions
from streams.run.processes import as_child, run_worker
from streams.settings import Settings
from streams.stages.topology import STAGES
from tests.integration.commands import backstream
from tests.integration.conftest import ChildProcess, wait_until_idle
from tests.integration.topics import Topics
from tests.integration.waiting import wait_until
from tests.unit.streams.page.served import Served, serving

_TEXTS = (
    "A cursor is a position in a table, and a reader that loses its cursor starts again.",
    "Water boils at one hundred degrees Celsius where the pressure is that of sea level.",
    "The council of the town meets each second Tuesday to hear what the citizens ask for.",
    "Violins have four strings, which are tuned in fifths from the lowest to the highest.",
)
_STAGES = [spec for spec in STAGES if spec.name in (Decider.stage, Curator.stage)]


def rated(number: int, score: float = 4.5, term: int = 0) -> Scored:
    text = _TEXTS[number]
    candidate = Candidate(
        id=f"e{number}",
        instruction=f"What is said about {' '.join(text.split()[:3]).lower()}, in short?",
        response=text,
        provenance=Provenance(source=f"notes/{number}.md", segment_id=f"s{number}"),
        category="open_qa",
    )
    rating = Rating(
        score=score, probabilities=(0, 0, 0, 0, 1), release=f"m{term}", template="t", term=term
    )
    return Scored(candidate=candidate, rating=rating)


def run_stages(settings: Settings, base: Path, events: Any) -> None:
    as_child(run_worker, settings, base, events.put, _STAGES)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"curation": CuratorSettings()})


@pytest.fixture
def start(settings: Settings, house: Path) -> Iterator[Callable[[], ChildProcess]]:
    started: list[ChildProcess] = []

    def start() -> ChildProcess:
        started.append(ChildProcess(run_stages, settings, house))
        started[-1].wait_until_ready()
        return started[-1]

    yield start
    for worker in started:
        worker.kill()


@pytest.fixture
def decisions(cluster: Cluster) -> Iterator[Decisions]:
    with open_decisions(cluster) as writer:
        yield writer


def settled(settings: Settings, topics: Topics) -> dict[str, Example]:
    """What is kept when the stages have done all that is written."""
    wait_until_idle(settings, 0)
    return {example.id: example for example in snapshot(topics.cluster)}


def account(cluster: Cluster) -> Audit:
    with FlowReader(cluster, _STAGES) as reader:
        committed = reader.committed()
    return audit(cluster, committed, _STAGES)


def refused(cluster: Cluster) -> list[tuple[str, str, str]]:
    reader = RecordReader()
    found = (reader.read_record(one, Rejection) for one in replay(cluster, REJECTED))
    return [(one.id, one.reason, one.detail) for one in found if one is not None]


def test_decisions_outlive_kills_restarts_and_better_releases(
    settings, cluster, topics, start, decisions
) -> None:
    topics.write(rated(0), rated(1), rated(2, 2.0))
    # No worker runs: what is decided now is done by the next one.
    decisions.drop(rated(0), "ada", "about cursors")
    decisions.accept(rated(2, 2.0), "bob")
    worker = start()
    assert settled(settings, topics).keys() == {"e1", "e2"}
    decisions.edit(rated(1), "ada", instruction="When does water boil?")
    topics.write(rated(0, 5.0, 1), rated(1, 1.0, 1), rated(2, 1.0, 1))
    worker.kill()  # whatever it has done by then
    start()
    kept = settled(settings, topics)
    assert kept.keys() == {"e1", "e2"}
    assert (kept["e1"].instruction, kept["e1"].response) == ("When does water boil?", _TEXTS[1])
    assert kept["e2"].ruling is not None
    assert (kept["e2"].ruling.action, kept["e2"].ruling.by) == ("accept", "bob")
    assert kept["e2"].ruling.at > 1.7e9
    assert ("e0", "dropped", "by ada: about cursors") in refused(cluster)

    # What is decided about an edited example keeps its texts, and what it was before.
    decisions.accept(kept["e1"], "bob")
    assert decisions.undo("e0", "bob") is not None
    assert decisions.undo("e0", "bob") is None
    kept = settled(settings, topics)
    assert kept.keys() == {"e0", "e1", "e2"}
    assert kept["e0"].ruling is None
    assert kept["e0"].rating is not None
    assert kept["e0"].rating.term == 1
    assert kept["e1"].instruction == "When does water boil?"
    assert decisions.undo("e1", "ada") is not None
    assert settled(settings, topics).keys() == {"e0", "e2"}
    newest = {one.id: (one.action, one.by) for one in read_decisions(cluster)}
    assert newest == {"e0": ("undo", "bob"), "e1": ("undo", "ada"), "e2": ("accept", "bob")}

    found = account(cluster)
    assert found.complete, found
    decider, curator = found.stages
    assert (decider.ids, decider.followed, decider.dead, decider.in_flight) == (3, 3, 0, 0)
    assert curator.ids == 3


def test_the_commands_find_pairs_and_say_what_they_did(settings, cluster, topics, start) -> None:
    topics.write(rated(0), rated(1, 4.1), rated(2, 2.0), rated(3, 4.2))
    start()
    assert settled(settings, topics).keys() == {"e0", "e1", "e3"}
    broker = ["--broker", settings.kafka.bootstrap_servers, "--by", "ada"]

    asked = backstream("drop", "--where", "score<4.3", *broker)
    assert (asked.code, "2 accepted pairs" in asked.text) == (1, True), asked.text
    assert "add --yes to drop them" in asked.text
    done = backstream("drop", "--where", "score<4.3", "--where", "source~notes/1", "-y", *broker)
    assert (done.code, "e1: dropped by ada" in done.text) == (0, True), done.text
    done = backstream("accept", "--where", "score<4", "--yes", *broker)
    assert (done.code, "e2: accepted by ada" in done.text) == (0, True), done.text
    done = backstream("edit", "e3", "--instruction", "How are violins tuned?", *broker)
    assert (done.code, "e3: edited by ada" in done.text) == (0, True), done.text
    unknown = backstream("drop", "e0", "nothing", *broker)
    assert (unknown.code, "no pair has the id nothing" in unknown.text) == (1, True), unknown.text

    kept = settled(settings, topics)
    assert kept.keys() == {"e0", "e2", "e3"}
    assert kept["e3"].instruction == "How are violins tuned?"
    assert "e3: undone by ada" in backstream("undo", *broker).text
    listed = backstream("decisions", *broker)
    assert [line.split()[3:5] for line in listed.text.splitlines()] == [
        ["drop", "e1"],
        ["accept", "e2"],
        ["undo", "e3"],
    ], listed.text
    assert settled(settings, topics)["e3"].instruction == rated(3).candidate.instruction


def test_the_beginning_of_an_id_is_enough_where_it_is_of_one_pair(
    settings, cluster, topics, start
) -> None:
    ids = ("abcd10", "abcd20", "beef30")
    for number, id in enumerate(ids):
        pair = rated(number)
        candidate = pair.candidate.model_copy(update={"id": id})
        topics.write(pair.model_copy(update={"candidate": candidate}))
    start()
    assert settled(settings, topics).keys() == set(ids)
    broker = ["--broker", settings.kafka.bootstrap_servers, "--by", "ada"]

    several = backstream("drop", "beef", "abcd", *broker)
    assert several.code == 1
    assert "2 pairs have ids that begin with abcd, such as abcd10 and abcd20" in several.text
    short = backstream("drop", "bee", *broker)
    assert (short.code, "no pair has the id bee:" in short.text) == (1, True), short.text
    assert read_decisions(cluster) == []

    done = backstream("drop", "beef", "abcd1", "beef30", *broker)
    assert (done.code, "2 pairs: dropped by ada" in done.text) == (0, True), done.text
    assert settled(settings, topics).keys() == {"abcd20"}
    done = backstream("accept", "beef", *broker)
    assert (done.code, "beef30: accepted by ada" in done.text) == (0, True), done.text
    done = backstream("edit", "abcd2", "--instruction", "How are violins tuned?", *broker)
    assert (done.code, "abcd20: edited by ada" in done.text) == (0, True), done.text
    several = backstream("undo", "abcd", *broker)
    assert (several.code, "begin with abcd" in several.text) == (1, True), several.text
    done = backstream("undo", "abcd1", "nothing", *broker)
    assert (done.code, "abcd10: undone by ada" in done.text) == (3, True), done.text
    assert settled(settings, topics).keys() == set(ids)


def test_all_is_dropped_and_all_of_it_undone(settings, cluster, topics, start) -> None:
    seed = Example(id="s", instruction="Why?", response="So.", origin=ExampleOrigin.SEED)
    topics.write(*map(rated, range(4)), seed)
    start()
    every = {"e0", "e1", "e2", "e3", "s"}
    assert settled(settings, topics).keys() == every
    broker = ["--broker", settings.kafka.bootstrap_servers, "--by"]
    done = backstream("drop", "--where", "id!=", "--yes", *broker, "ada")
    assert (done.code, "5 pairs: dropped by ada" in done.text) == (0, True), done.text
    assert settled(settings, topics) == {}
    asked = backstream("undo", "--where", "by=ada", *broker, "bob")
    assert (asked.code, "5 decisions: without a terminal, add --yes" in asked.text) == (1, True)
    done = backstream("undo", "--where", "by=ada", "--where", "origin=seed", "-y", *broker, "bob")
    assert (done.code, "s: undone by bob" in done.text) == (0, True), done.text
    done = backstream("undo", "e0", "nothing", "e1", *broker, "bob")
    assert (done.code, "2 pairs: undone by bob" in done.text) == (3, True), done.text
    assert "no decision about nothing counts" in done.text
    done = backstream("undo", "--where", "by=ada", "-y", *broker, "bob")
    assert (done.code, "2 pairs: undone by bob" in done.text) == (0, True), done.text
    assert settled(settings, topics).keys() == every
    again = backstream("undo", "--where", "by=ada", "-y", *broker, "bob")
    assert (again.code, "no decision that counts satisfies by=ada" in again.text) == (1, True)
    both = backstream("undo", "e0", "--where", "by=ada", *broker, "bob")
    assert (both.code, "ids and --where are both given" in both.text) == (2, True)


def test_an_edit_that_the_curator_could_not_write_is_refused_at_once(
    settings, cluster, topics, start, decisions
) -> None:
    topics.write(rated(0), rated(1))
    start()
    assert settled(settings, topics).keys() == {"e0", "e1"}
    pair, name = rated(0), len("ada")
    with pytest.raises(DecisionRefused, match=r"3,000,0\d\d bytes, .* may have 1,572,864"):
        decisions.edit(pair, "ada", response="x" * 3_000_000)
    broker = ["--broker", settings.kafka.bootstrap_servers]
    told = backstream("edit", "e0", "--response", "x" * 3_000_000, *broker)
    assert (told.code, "may have 1,572,864" in told.text) == (1, True), told.text[:2000]
    assert read_decisions(cluster) == []

    question = pair.candidate.instruction
    longest = "é" * ((MOST_BYTES - name - len(question)) // 2)
    decisions.edit(pair, "ada", response=longest)
    assert settled(settings, topics)["e0"].response == longest

    # Other programs write decisions too.
    texts = Texts(instruction="Why?", response="x" * 3_000_000)
    ruling = Ruling(action="edit", by="eve", at=1.0, texts=texts)
    foreign = Decision.model_construct(
        candidate=rated(1).candidate, rating=rated(1).rating, ruling=ruling
    )
    with topics.producer(max_request_size=2 * MAX_BYTES) as producer:
        topics.send(producer, foreign)
    assert settled(settings, topics)["e1"].response == _TEXTS[1]
    [letter] = [details(one) for one in read_letters(cluster)]
    assert (letter["stage"], "1,572,864" in str(letter["message"])) == ("decider", True)
    assert account(cluster).complete


def test_what_somebody_else_decides_keeps_an_edit_that_no_worker_has_written(
    settings, cluster, topics, start
) -> None:
    topics.write(rated(0), rated(1), rated(2))
    with Store() as store, Follower(cluster, store):
        wait_until(lambda: store.items().total == 3)
        actions = KafkaActions(cluster, 4.0)
        ids = ("e0", "e1", "e2")
        shown = {id: found for id in ids if (found := store.item(id)) is not None}
        for id in ids:
            actions.edit(shown[id], "ada", instruction=f"Why {id}?", context="", response="So.")
        # Each of the others has a page open from before the edit.
        actions.accept(shown["e0"], "bob")
        actions.drop(shown["e1"], "bob")
        actions.accept(shown["e1"], "cyd")
        actions.undo("e2", "bob")
        actions.accept(shown["e2"], "cyd")
        start()
        kept = settled(settings, topics)
        assert {id: one.instruction for id, one in kept.items()} == {
            "e0": "Why e0?",
            "e1": "Why e1?",
            "e2": rated(2).candidate.instruction,
        }
        wait_until(lambda: not any(one.awaited for one in store.items().items))
        found = store.item("e0")
        assert found is not None
        assert (found.instruction, found.item.by) == ("Why e0?", "bob")


def test_ratings_of_one_moment_leave_the_decision_of_the_last_one(cluster, topics) -> None:
    topics.write(rated(0))
    with Store() as store, Follower(cluster, store):
        wait_until(lambda: store.item("e0") is not None)
        shown = store.item("e0")
        assert shown is not None
        actions = KafkaActions(cluster, 4.0)
        with ThreadPoolExecutor(5) as pool:
            list(pool.map(lambda score: actions.rate(shown, score, "ada"), (1, 5, 2, 4, 3) * 3))
    [decision] = read_decisions(cluster)
    [rating] = read_ratings(cluster)
    assert decision.ruling.note == f"rated {rating.score}"


def test_undo_right_after_a_rating_takes_both_back(cluster, topics) -> None:
    topics.write(rated(0))
    with Store() as store, Follower(cluster, store):
        wait_until(lambda: store.item("e0") is not None)
        shown = store.item("e0")
    assert shown is not None
    # The page has not read the rating yet.
    assert shown.human is None
    actions = KafkaActions(cluster, 4.0)
    actions.rate(shown, 1, "ada")
    assert actions.undo("e0", "ada") is Undone.RATING
    assert read_ratings(cluster) == []
    assert [one.action for one in read_decisions(cluster)] == ["undo"]
    assert actions.undo("e0", "ada") is Undone.NOTHING


def test_a_seed_is_dropped_and_accepted_again_on_the_page(settings, cluster, topics, start) -> None:
    seed = Example(id="s", instruction="Why?", response="So.", origin=ExampleOrigin.SEED)
    topics.write(seed)
    start()
    with (
        Store() as store,
        Follower(cluster, store),
        serving(store, KafkaActions(cluster, 4.0)) as server,
    ):
        page = Served(server)
        for action, kept in (("drop", []), ("accept", ["s"]), ("drop", []), ("undo", ["s"])):
            wait_until(lambda: (found := store.item("s")) is not None and not found.item.awaited)
            assert page.post(f"/item/{action}?id=s").status == 303
            assert [*settled(settings, topics)] == kept
        texts = {"instruction": "Why not?", "context": "", "response": "So."}
        assert page.post("/item/edit?id=s", None, **texts).status == 303
        assert settled(settings, topics)["s"].instruction == "Why not?"
    assert account(cluster).complete


def test_a_seed_is_dropped_and_comes_back(settings, cluster, topics, start, decisions) -> None:
    seed = Example(id="s", instruction="Why?", response="So.", origin=ExampleOrigin.SEED)
    topics.write(seed)
    start()
    decisions.drop(seed, "ada")
    assert settled(settings, topics) == {}
    assert feed_seeds(cluster, [seed]).decided == 1
    assert settled(settings, topics) == {}, "what people decided stays"
    decisions.undo("s", "ada")
    assert settled(settings, topics) == {"s": seed}
    decisions.edit(seed, "ada", instruction="Why so?")
    edited = settled(settings, topics)
    assert edited["s"].instruction == "Why so?"
    assert feed_seeds(cluster, [seed, seed.model_copy(update={"id": "t"})]).decided == 1
    assert settled(settings, topics).keys() == {"s", "t"}
    assert settled(settings, topics)["s"] == edited["s"]
    assert account(cluster).complete
