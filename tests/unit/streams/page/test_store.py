"""What the store makes of the topics, and what its queries return."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.errors import QueryError, StoreError
from schemas.records import Decision, Example, HumanRating, Question, Rejection, Ruling, Scored
from schemas.release import Release, ReleaseStatus
from schemas.ruling import Action, Texts
from streams.data.decisions import candidate_of
from streams.kafka.messages import Received
from streams.kafka.topics import CURATED, DEAD_LETTERS, DECISIONS, REJECTED, SCORED
from streams.kafka.writing.dead_letters import dead_letter
from streams.page.store.filters import Filter, Human, Kind, Order, PageRequest, Verdict
from streams.page.store.item_views import PREVIEW_CHARACTERS, TEXT_CHARACTERS, RefusedPassage
from streams.page.store.pruning import Limits
from streams.page.store.store import Store
from streams.page.store.stream_views import NO_FILES
from tests.unit.streams.page.topics import (
    NOW,
    Topics,
    candidate,
    document,
    example,
    rating,
    scored,
    seed,
    segment,
)


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as opened:
        yield opened


@pytest.fixture
def topics(store: Store) -> Topics:
    return Topics(store)


def refusal(id: str = "e1", reason: str = "low_rating", at: str = "curator") -> Rejection:
    return candidate(id).refuse(at, reason, "2.00 is below 4.00", release="r1", score=2.0)


def release(id: str = "r1", status: ReleaseStatus = ReleaseStatus.IN_SERVICE) -> Release:
    return Release(id=id, parent=None, base="base", status=status, location="/r", created_at=NOW)


def ids(store: Store, filter: Filter, order: Order = Order.NEWEST) -> list[str]:
    return [item.id for item in store.items(filter, PageRequest(order=order)).items]


def test_an_item_has_its_way_back_to_the_document(store: Store, topics: Topics) -> None:
    topics.write(document(), segment("s0", 0, "Before."), segment("s1", 1), segment("s2", 2, "Z."))
    topics.write(candidate(), scored(), example(scored()))
    found = store.item("e1")
    assert found is not None
    assert found.item.verdict is Verdict.ACCEPTED
    assert (found.instruction, found.item.score) == ("When does water boil?", 4.5)
    assert found.rating == rating()
    assert found.pair == example(scored())
    assert (found.template, found.writer) == ("backward.1", "r1")
    assert found.passage is not None
    assert found.document is not None
    assert (found.passage.position, found.passage.passages) == (1, 3)
    assert found.passage.headings == ("Guide", "Water")
    assert (found.passage.previous, found.passage.following) == ("Before.", "Z.")
    assert (found.document.title, found.document.source) == ("Guide", "guide.md")
    assert (found.document.accepted, found.document.refused) == (1, 0)
    assert store.item("none") is None


_RECORDS = (document(), segment(), candidate(), scored(), refusal())


@pytest.mark.parametrize("records", [*itertools.permutations(_RECORDS)][::7])
def test_the_order_of_the_topics_does_not_matter(store: Store, records: tuple) -> None:  # type: ignore[type-arg]
    topics = Topics(store)
    topics.write(*records)
    topics.write(*records)
    [item] = store.items().items
    assert (item.verdict, item.stage, item.reason) == (Verdict.REFUSED, "curator", "low_rating")
    assert (item.source, item.language, item.category) == ("guide.md", "en", "open_qa")
    assert (item.score, item.response) == (4.5, "Water boils at 100 degrees.")


def test_a_refused_passage_shows_its_text_whichever_came_first(topics: Topics) -> None:
    for first, second in (("s1", "s2"), ("s2", "s1")):
        refused = [segment(id).refuse("backward", "too_long") for id in (first, second)]
        topics.write(refused[0], segment("s1"), segment("s2", 1), refused[1])
    items = topics.store.items(Filter(kind=Kind.PASSAGE)).items
    assert {(item.response, item.source) for item in items} == {
        ("Water boils at 100 degrees.", "guide.md")
    }


def test_a_refused_request_shows_what_was_asked(store: Store, topics: Topics) -> None:
    question = Question(id="q1", instruction="Why?", source="questions.txt")
    topics.write(question.refuse("answerer", "no_agreement"), question)
    [item] = store.items(Filter(kind=Kind.REQUEST)).items
    assert (item.response, item.source) == ("Why?", "questions.txt")


def test_what_the_segmenter_refuses_has_the_source_of_its_document(
    store: Store, topics: Topics
) -> None:
    refused = Rejection(
        id="d1.short", stage="segmenter", reason="too_short", count=7, document_id="d1"
    )
    topics.write(refused, document())
    [item] = store.items().items
    assert (item.kind, item.source, item.count) == (Kind.DOCUMENT, "guide.md", 7)
    [reason] = store.reasons()
    assert (reason.stage, reason.items, reason.things) == ("segmenter", 1, 7)


def test_a_retracted_example_is_refused_with_the_newest_reason(
    store: Store, topics: Topics
) -> None:
    topics.write(refusal(reason="outrated"), scored(), example(scored()))
    assert store.items().items[0].reason == ""
    topics.write(refusal(reason="low_rating"))
    assert store.items().items[0].verdict is Verdict.ACCEPTED
    topics.retract(CURATED, "e1")
    [item] = store.items().items
    assert (item.verdict, item.reason) == (Verdict.REFUSED, "low_rating")


def test_the_rating_of_the_later_term_counts(store: Store, topics: Topics) -> None:
    old, new = rating(4.5, "r1", 1), rating(2.5, "r2", 7)
    topics.write(scored(rated=old), scored(rated=new), scored(rated=old))
    found = store.item("e1")
    assert found is not None
    assert found.rating == new
    assert found.ratings == (old, new)
    assert [view.rated for view in store.releases()] == [1, 1]


def test_filters(store: Store, topics: Topics) -> None:
    topics.write(
        scored("e1", rating(4.5)),
        scored("e2", rating(2.0), instruction="What is ice? 100% _solid_ water"),
        scored("e3", rating(3.0)),
        refusal("e2"),
        example(scored("e1", rating(4.5))),
        seed(),
        HumanRating(id="e3", instruction="?", response="!", score=5),
        segment("s9", 9, "Nothing.").refuse("backward", "too_long"),
    )
    expected = [
        ("e1 h1", Filter(verdict=Verdict.ACCEPTED)),
        ("e2 s9", Filter(verdict=Verdict.REFUSED)),
        ("e3", Filter(verdict=Verdict.WAITING)),
        ("e2", Filter(stage="curator")),
        ("s9", Filter(reason="too_long")),
        ("e1 e3", Filter(min_score=3.0)),
        ("e2 e3", Filter(max_score=3.0)),
        ("e1 e2 e3", Filter(source="GUIDE")),
        ("h1 s9", Filter(source="")),
        ("", Filter(source="%")),
        ("e1 e2 e3", Filter(category="open_qa")),
        ("h1", Filter(generator="seed")),
        ("e3", Filter(human=Human.RATED)),
        ("e1 e2 h1 s9", Filter(human=Human.NONE)),
        ("e2", Filter(human=Human.NONE, stage="curator", text="ice", max_score=2.0)),
    ]
    for wanted, filter in expected:
        assert " ".join(sorted(ids(store, filter))) == wanted, filter
    assert ids(store, Filter(min_score=1.0), Order.BEST) == ["e1", "e3", "e2"]
    assert ids(store, Filter(min_score=1.0), Order.WORST) == ["e2", "e3", "e1"]
    assert ids(store, Filter(), Order.OLDEST) == ids(store, Filter())[::-1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ice", True),
        ("wat", True),
        ("WATER ice", True),
        ("wat ice", False),  # only the last word may be a beginning
        ("solid", True),
        ("fire", False),
        ("%", False),
        ("", True),
        ('ice" OR "fire', False),
        ("NEAR(ice water)", False),
        ("instruction: ice", False),
        ("ice*", True),
        ("-ice", True),
        ("\x00ice\ud800", True),
    ],
)
def test_text_is_words_and_never_syntax(
    store: Store, topics: Topics, text: str, found: bool
) -> None:
    topics.write(scored("e2", instruction="What is ice? 100% _solid_ water"))
    assert ids(store, Filter(text=text)) == (["e2"] if found else [])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("服务器", True),
        ("数据库", True),
        ("数据", True),
        ("据数", False),
        ("服务器 数据库", True),
        ("SQL数据库", True),
        ("データ", True),
        ("ฐานข้อมูล", True),
        ("ข้อมูลฐาน", False),
        ("ฏ๏", False),
    ],
)
def test_words_between_which_is_no_blank_are_found(
    store: Store, topics: Topics, text: str, found: bool
) -> None:
    answer = "然后服务器会询问SQL数据库，再回答。これはデータです。ใช้ฐานข้อมูลนี้"
    topics.write(scored("e2", instruction=answer))
    assert ids(store, Filter(text=text)) == (["e2"] if found else [])


def test_an_old_chinese_text_is_not_found(store: Store, topics: Topics) -> None:
    topics.write(scored("e2", instruction="服务器会询问数据库"))
    topics.write(example(scored("e2", instruction="服务器会回答")))
    assert ids(store, Filter(text="数据库")) == []
    assert ids(store, Filter(text="回答")) == ["e2"]


def test_pages_follow_each_other(store: Store, topics: Topics) -> None:
    topics.write(*(scored(f"e{number:02}", rating(1 + number % 3)) for number in range(23)))
    for order in Order:
        seen: list[str] = []
        after: str | None = None
        while True:
            page = store.items(page=PageRequest(5, after, order))
            assert page.total == 23
            seen += [item.id for item in page.items]
            after = page.next
            if after is None:
                break
        assert sorted(seen) == [f"e{number:02}" for number in range(23)], order


@pytest.mark.parametrize("after", ["x", "WzFd", "bnVsbA==", "é", "WzEsIC0xXQ=="])
def test_a_page_that_never_was(store: Store, after: str) -> None:
    with pytest.raises(QueryError, match="no such page"):
        store.items(page=PageRequest(after=after))


def test_texts_are_cut_in_lists(store: Store, topics: Topics) -> None:
    topics.write(scored(instruction="x" * 5000))
    assert len(store.items().items[0].instruction) == PREVIEW_CHARACTERS
    found = store.item("e1")
    assert found is not None
    assert len(found.instruction) == 5000


def test_a_new_text_of_an_example_is_found_and_the_old_one_is_not(
    store: Store, topics: Topics
) -> None:
    topics.write(scored(), example(scored(instruction="Does ice melt?")))
    assert ids(store, Filter(text="melt")) == ["e1"]
    assert ids(store, Filter(text="when")) == []


def decision(
    action: Action, pair: Scored | None = None, by: str = "ada", texts: str = ""
) -> Decision:
    pair = pair or scored()
    written = Texts(instruction=texts, response=pair.candidate.response) if texts else None
    ruling = Ruling(action=action, by=by, at=NOW, note="why", texts=written)
    return Decision(candidate=pair.candidate, rating=pair.rating, ruling=ruling)


def test_a_dropped_item_is_dropped_at_once_and_until_it_is_undone(
    store: Store, topics: Topics
) -> None:
    topics.write(scored(), example(scored()), decision("drop"))
    [item] = store.items(Filter(human=Human.DROPPED)).items
    assert (item.verdict, item.decision, item.by) == (Verdict.DROPPED, "drop", "ada")
    found = store.item("e1")
    assert found is not None
    assert found.decision is not None
    assert (found.decision.action, found.decision.note) == ("drop", "why")
    topics.write(decision("undo", by="bob"))
    [item] = store.items(Filter(human=Human.NONE)).items
    assert (item.verdict, item.decision, item.by) == (Verdict.ACCEPTED, "", "")
    topics.write(decision("edit"))
    assert ids(store, Filter(human=Human.EDITED)) == ids(store, Filter(human=Human.DECIDED))
    topics.retract(DECISIONS, "e1")
    assert ids(store, Filter(human=Human.DECIDED)) == []


def ruled(pair: Scored, decided: Decision, offset: int = 0) -> Example:
    """What the curator writes of a decision that keeps a pair."""
    ruling = decided.ordered(offset).ruling
    texts = dict(ruling.texts) if ruling.texts else {}
    return example(pair).model_copy(update={"ruling": ruling, **texts})


def test_a_decision_is_awaited_until_workers_have_done_it(store: Store, topics: Topics) -> None:
    def awaited() -> tuple[bool, str | None, str]:
        found = store.item("e1")
        assert found is not None
        texts = found.awaited.instruction if found.awaited else None
        return found.item.awaited, texts, found.instruction

    pair, model = scored(), "When does water boil?"
    topics.write(pair, example(pair))
    assert awaited() == (False, None, model)
    edit = decision("edit", texts="Why does it boil?")
    topics.write(edit)
    assert awaited() == (True, "Why does it boil?", model)
    topics.write(ruled(pair, edit))
    assert awaited() == (False, None, "Why does it boil?")
    again = decision("edit", texts="Does it boil?", by="bob")
    topics.write(again, ruled(pair, edit))  # that of the first decision comes late
    assert awaited() == (True, "Does it boil?", "Why does it boil?")
    topics.write(ruled(pair, again, 1))
    assert awaited() == (False, None, "Does it boil?")

    topics.write(decision("drop", texts="Does it boil?"))
    assert awaited() == (True, None, "Does it boil?")
    topics.retract(CURATED, "e1")
    topics.write(candidate().refuse("curator", "dropped", "by ada"))
    assert awaited() == (False, None, "Does it boil?")
    topics.write(decision("undo"))
    assert awaited() == (True, None, model)
    topics.write(refusal())
    assert awaited() == (False, None, model)
    topics.write(decision("accept"))
    assert awaited() == (True, None, model)
    topics.retract(DECISIONS, "e1")
    assert awaited() == (False, None, model)


def test_a_seed_that_was_dropped_is_a_pair_still(store: Store, topics: Topics) -> None:
    topics.write(seed())
    dropped = Decision(
        candidate=candidate_of(seed()), ruling=Ruling(action="drop", by="ada", at=NOW)
    )
    topics.write(dropped)
    topics.retract(CURATED, "h1")
    found = store.item("h1")
    assert found is not None
    assert (found.item.verdict, found.item.generator) == (Verdict.DROPPED, "seed")
    assert found.pair == seed()
    # Compaction deletes what was retracted: a page that starts then has the decision alone.
    with Store() as other:
        Topics(other).write(dropped)
        found = other.item("h1")
    assert found is not None
    assert (found.pair, found.item.generator) == (seed(), "seed")


def test_a_long_text_is_edited_whole(store: Store, topics: Topics) -> None:
    long = "x" * (TEXT_CHARACTERS + 5)
    topics.write(scored(instruction=long))
    found = store.item("e1")
    assert found is not None
    assert found.editable is not None
    assert (len(found.instruction), found.editable.instruction) == (TEXT_CHARACTERS, long)


def test_a_decision_stands_alone_and_may_come_before_the_pair(store: Store, topics: Topics) -> None:
    topics.write(decision("drop"))
    assert [item.instruction for item in store.items().items] == ["When does water boil?"]
    topics.write(scored(), refusal())
    [item] = store.items().items
    assert (item.verdict, item.score, item.reason) == (Verdict.DROPPED, 4.5, "low_rating")


def test_the_pair_to_decide_about_is_the_example_or_what_was_rated(
    store: Store, topics: Topics
) -> None:
    edited = example(scored(instruction="Edited?"))
    topics.write(edited, scored())
    found = store.item("e1")
    assert found is not None
    assert (found.pair, found.instruction) == (edited, "Edited?")
    topics.retract(CURATED, "e1")
    found = store.item("e1")
    assert found is not None
    assert found.pair == scored()


def test_reasons_and_facets(store: Store, topics: Topics) -> None:
    topics.write(
        *(scored(id) for id in ("e1", "e2", "e3")), refusal("e1"), refusal("e2", "leaking")
    )
    topics.write(refusal("e3"))
    assert [(one.reason, one.items) for one in store.reasons()] == [
        ("low_rating", 2),
        ("leaking", 1),
    ]
    assert [one.reason for one in store.reasons(Filter(reason="leaking"))] == ["leaking"]
    facets = store.facets()
    assert facets.verdicts == {"refused": 3}
    assert (facets.sources, facets.generators) == ({"guide.md": 3}, {"backward": 3})


def test_the_histogram_has_every_rating_of_the_release(store: Store, topics: Topics) -> None:
    scores = (1.0, 1.1, 3.0, 5.0)
    topics.write(*(scored(f"e{score}", rating(score)) for score in scores))
    topics.write(refusal("e1.0"), example(scored("e5.0", rating(5.0))))
    found = store.scores("r1", bins=4)
    assert [(one.low, one.accepted, one.refused, one.other) for one in found.bins] == [
        (1.0, 0, 1, 1),
        (2.0, 0, 0, 0),
        (3.0, 0, 0, 1),
        (4.0, 1, 0, 0),
    ]
    assert found.ratings == 4
    assert found.mean == pytest.approx(2.525)
    assert store.scores("none").mean is None


def test_calibration_compares_with_people(store: Store, topics: Topics) -> None:
    for number, (score, human) in enumerate([(4.5, 5), (4.6, 3), (1.2, 1)]):
        topics.write(HumanRating(id=f"e{number}", instruction="?", response="!", score=human))
        topics.write(scored(f"e{number}", rating(score)))
    found = store.calibration("r1", bins=4)
    assert (found.pairs, found.promise) == (3, NO_FILES)
    assert found.mean_error == pytest.approx((0.5 + 1.6 + 0.2) / 3)
    low, high = found.bins
    assert (low.pairs, low.human, low.kept_share) == (1, 1.0, 0.0)
    assert (high.pairs, high.human, high.kept_share) == (2, 4.0, 0.5)
    assert high.kept_low < 0.5 < high.kept_high
    assert high.promised == pytest.approx(0.8)
    topics.retract_rating("e0")
    assert store.calibration("r1").pairs == 2


def test_a_refused_passage_is_searched_once_its_text_is_known(store: Store, topics: Topics) -> None:
    refused = [
        Rejection(id=id, stage="segmenter", reason="leans", document_id="d1", segment_id=id)
        for id in ("p1", "p2", "p3")
    ]
    whole = Rejection(id="d1", stage="segmenter", reason="no_passage", document_id="d1")
    topics.write(refused[0], whole)
    assert store.documents_to_cut(9) == ()  # it is not known where the document is
    topics.write(document(), refused[1])
    assert [one.id for one in store.documents_to_cut(9)] == ["d1"]
    assert store.unsearched(Filter(text="boils")) == store.unsearched(Filter(language="en")) == 2
    before = store.version
    parts = [
        RefusedPassage("p1", at, (), text, "leans", "en") for at, text in ((0, "It"), (1, "boils"))
    ]
    store.write_refused("d1", parts)
    assert store.version > before
    assert ids(store, Filter(text="it boils", language="en")) == ["p1"]
    assert store.documents_to_cut(9) == ()  # p2 is looked for once
    assert store.unsearched(Filter(text="boils")) == 1
    topics.write(refused[0], refused[2])
    assert ids(store, Filter(text="boils")) == ["p1"]
    assert [one.id for one in store.documents_to_cut(9)] == ["d1"]
    store.write_refused("d1", ())  # what was found stays
    assert ids(store, Filter(text="boils")) == ["p1"]
    assert store.unsearched(Filter(text="boils")) == 2


def test_the_deployed_release_is_the_last_one_announced(store: Store, topics: Topics) -> None:
    topics.write(release("r1"), release("r2"), release("r3", ReleaseStatus.KEPT))
    assert [(one.id, one.deployed) for one in store.releases()] == [
        ("r3", False),
        ("r2", True),
        ("r1", False),
    ]
    topics.write(release("r1"))
    assert [one.id for one in store.releases() if one.deployed] == ["r1"]


def test_training_counts_what_came_since_the_newest_release(
    store: Store, topics: Topics, tmp_path: Path
) -> None:
    topics.write(seed(), example(scored("e1")), release(), example(scored("e2")))
    found = store.training()
    assert (found.seeds, found.examples, found.since_release, found.run) == (1, 2, 1, None)


def test_the_run_under_way_is_read_from_its_newest_checkpoint(tmp_path: Path) -> None:
    for step in (25, 50):
        directory = tmp_path / f"abc.training/checkpoints/checkpoint-{step}"
        directory.mkdir(parents=True)
        (directory / "trainer_state.json").write_text(
            f'{{"global_step": {step}, "max_steps": 80,'
            ' "log_history": [{"step": 10, "loss": 2.5}]}'
        )
    with Store(releases_dir=tmp_path) as store:
        run = store.training().run
    assert run is not None
    assert (run.run, run.step, run.steps, run.losses[0].loss) == ("abc", 50, 80, 2.5)


def test_dead_letters_are_there_once(store: Store, topics: Topics) -> None:
    poison = Received("a.scored", 0, 5, b"k\xff", b"\x00value", (), timestamp_ms=1)
    letters = [dead_letter(poison, "curator", ValueError("no\ud800 use")) for _ in range(2)]
    topics.fold(topics.received(DEAD_LETTERS, one.key, one.value, one.headers) for one in letters)
    topics.fold([topics.received(DEAD_LETTERS, None, b"foreign")])
    page = store.letters()
    assert page.total == 2
    foreign, own = page.items
    assert (own.stage, own.source, own.exception) == ("curator", "a.scored/0@5", "ValueError")
    assert own.at == "0@0"
    found = store.letter("0@0")
    assert found is not None
    assert (found.key, found.value) == ("k�", "\x00value")
    assert store.letter(foreign.at) is not None
    assert store.letter("0@9") is None
    assert store.letter("x") is None
    assert [one.stage for one in store.letters(stage="curator").items] == ["curator"]


def test_what_cannot_be_read_is_passed_over(store: Store, topics: Topics) -> None:
    topics.fold([topics.received(SCORED, b"e1", b"\xc1"), topics.received(REJECTED, None, None)])
    topics.fold([topics.received(CURATED, None, b"x")])
    topics.write(scored())
    assert topics.unreadable == ["scored", "rejected", "curated"]
    assert store.offsets() == {("a.scored", 0): 2, ("a.rejected", 0): 1, ("a.curated", 0): 1}
    assert [item.id for item in store.items().items] == ["e1"]


def test_a_message_from_the_future_does_not_stay_on_top(store: Store, topics: Topics) -> None:
    future = topics.message(scored("e1"))._replace(timestamp_ms=2**62)
    topics.fold([future])
    assert store.items().items[0].at <= NOW + 60


def test_the_file_is_kept_and_one_of_another_version_or_damaged_is_made_anew(
    tmp_path: Path,
) -> None:
    file = tmp_path / "page.sqlite"
    with Store(file) as store:
        Topics(store).write(scored())
        with pytest.raises(StoreError, match="another page uses"):
            Store(file)
    with Store(file) as store:
        assert store.items().total == 1
        with store._database.writing() as database:
            database.execute("PRAGMA user_version = 99")
    with Store(file) as store:
        assert (store.items().total, store.offsets()) == (0, {})
    for suffix in ("-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
    file.write_bytes(b"no database at all" * 1000)
    with Store(file) as store:
        assert store.items().total == 0


def test_a_batch_is_written_whole_or_not_at_all(store: Store, topics: Topics) -> None:
    foreign = Received("b.unknown", 0, 0, None, None)
    with pytest.raises(KeyError):
        topics.fold([topics.message(scored()), foreign])
    assert (store.items().total, store.offsets()) == (0, {})


def test_starting_anew_forgets_everything(store: Store, topics: Topics) -> None:
    topics.write(document(), segment(), scored(), refusal(), release(), seed())
    store.begin({"a.scored": "1"}, anew=True)
    assert (store.items().total, store.releases(), store.offsets()) == (0, (), {})
    assert ids(store, Filter(text="water")) == []
    assert store.topics() == {"a.scored": "1"}
    topics.write(scored())
    assert ids(store, Filter(text="water")) == ["e1"]


def test_the_oldest_refused_items_go_first_where_there_are_too_many(tmp_path: Path) -> None:
    with Store(limits=Limits(items=3, letters=1, passages=1)) as store:
        topics = Topics(store)
        topics.write(
            refusal("e1"), scored("e2"), example(scored("e3")), decision("accept", scored("e4"))
        )
        topics.write(segment("s1"), segment("s2"), refusal("e5"))
        store.prune()
        assert ids(store, Filter()) == ["e5", "e4", "e3"]
        assert ids(store, Filter(text="water")) == ["e5", "e4", "e3"]
        version = store.version
        store.prune()
        assert store.version == version
        topics.write(scored("e1"))
        assert ids(store, Filter(text="water")) == ["e1", "e5", "e4", "e3"]


def test_the_version_rises_with_each_change(store: Store, topics: Topics) -> None:
    before = store.version
    topics.write(scored())
    changed = store.version
    assert changed > before
    store.note(behind=3, unreadable=0, error=None)
    assert store.version > changed
    changed = store.version
    store.note(behind=3, unreadable=0, error=None)
    assert store.version == changed
    assert not store.reading().caught_up
