"""People's decisions outrank ratings and rules, in whatever order they and kills come."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.curator import Curator
from agents.decider import Decider
from agents.outcomes import Retraction
from schemas.records import (
    Candidate,
    Decision,
    Example,
    ExampleOrigin,
    Offset,
    Provenance,
    Rating,
    Rejection,
    Ruling,
    Scored,
)
from schemas.ruling import Action, Texts

PASSAGE = "Generators make one value at a time, when it is asked for. Lists hold all of them."
REQUESTS = {
    "a": "How does a generator differ from a list?",
    "b": "What is lazy evaluation good for in Python?",
    "c": "Explain when all the values of a list are made.",
}


def rated(id: str = "a", score: float = 4.5, term: int = 0, *, samples: int = 3) -> Scored:
    made = Provenance(segment_id="s1", document_id="d1", sample=ord(id) - 97, samples=samples)
    candidate = Candidate(id=id, instruction=REQUESTS[id], response=PASSAGE, provenance=made)
    rating = Rating(
        score=score, probabilities=(0, 0, 0, 0, 1), release=f"m{term}", template="t", term=term
    )
    return Scored(candidate=candidate, rating=rating)


def decided(pair: Scored, action: Action, order: int = 1, texts: Texts | None = None) -> Scored:
    ruling = Ruling(action=action, by="ada", at=1.0, texts=texts, order=order)
    return pair.model_copy(update={"ruling": ruling})


class Topics:
    """A curator with its topics, which can be killed after any message that it wrote."""

    def __init__(self) -> None:
        self.curator = Curator()
        self.curated: list[tuple[str, Example | None]] = []
        self.decisions: list[Decision] = []
        self.scored: list[Scored] = []
        self.rejected: list[Rejection] = []

    def take(self, *pairs: Scored, written: int | None = None) -> list[str]:
        """Handle pairs. With ``written``, only so many messages of the last one are written, and
        the curator is killed and handles that pair again.
        """
        outcomes: Sequence[Example | Rejection | Retraction] = ()
        for pair in pairs:
            if pair.ruling is not None:
                self.decisions.append(
                    Decision(candidate=pair.candidate, rating=pair.rating, ruling=pair.ruling)
                )
            outcomes = asyncio.run(self.curator.handle(pair))
            if written is not None:
                self._write(outcomes[:written])
                self.restart()
                outcomes = asyncio.run(self.curator.handle(pair))
            self._write(outcomes)
            self.scored.append(pair)
        return [_said(one) for one in outcomes]

    def restart(self) -> None:
        self.curator = Curator()
        for decision in self.decisions:
            self.curator.restore_ruling(decision)
        for id, example in self.curated:
            self.curator.restore(id, example)
        for pair in self.scored:
            self.curator.recall(pair)

    def kept(self) -> dict[str, Example]:
        return {id: one for id, one in dict(self.curated).items() if one is not None}

    def _write(self, outcomes: Sequence[Example | Rejection | Retraction]) -> None:
        for one in outcomes:
            if isinstance(one, Rejection):
                self.rejected.append(one)
            else:
                self.curated.append((one.id, one if isinstance(one, Example) else None))


def _said(one: Example | Rejection | Retraction) -> str:
    if isinstance(one, Example):
        return f"+{one.id}"
    return f"{one.id} {one.reason}" if isinstance(one, Rejection) else f"-{one.id}"


@pytest.fixture
def topics() -> Topics:
    return Topics()


@pytest.mark.parametrize("restarted", [False, True])
def test_what_was_dropped_stays_dropped_when_a_better_release_rates_it(topics, restarted) -> None:
    pair = rated(samples=1)
    assert topics.take(pair) == ["+a"]
    assert topics.take(decided(pair, "drop")) == ["a dropped", "-a"]
    if restarted:
        topics.restart()
    assert topics.take(rated(score=5.0, term=3, samples=1)) == ["a dropped"]
    assert topics.take(rated(score=5.0, term=3, samples=1)) == []
    assert topics.rejected[-1].detail == "by ada"


@pytest.mark.parametrize("restarted", [False, True])
def test_what_was_accepted_stays_when_a_later_release_rates_it_down(topics, restarted) -> None:
    pair = rated(score=1.5, samples=1)
    assert topics.take(pair) == ["a below_threshold"]
    assert topics.take(decided(pair, "accept")) == ["+a"]
    if restarted:
        topics.restart()
    assert topics.take(rated(score=1.0, term=2, samples=1)) == ["+a"]
    example = topics.kept()["a"]
    assert example.ruling is not None
    assert (example.ruling.action, example.ruling.by, example.ruling.at) == ("accept", "ada", 1.0)
    assert example.rating is not None
    assert (example.rating.term, example.threshold) == (2, None)


@pytest.mark.parametrize("restarted", [False, True])
def test_an_edited_text_stays_through_ratings_of_the_text_before_it(topics, restarted) -> None:
    pair, texts = rated(samples=1), Texts(instruction="What is a generator?", response="A maker.")
    topics.take(pair, decided(pair, "edit", texts=texts))
    if restarted:
        topics.restart()
    topics.take(rated(score=1.0, term=2, samples=1))
    example = topics.kept()["a"]
    assert (example.instruction, example.response) == ("What is a generator?", "A maker.")
    assert topics.take(decided(pair, "undo", order=2)) == ["a below_threshold", "-a"]


@pytest.mark.parametrize("restarted", [False, True])
def test_undo_lets_the_newest_rating_and_the_rules_decide(topics, restarted) -> None:
    pair = rated(samples=1)
    topics.take(pair, decided(pair, "drop"))
    assert topics.take(decided(pair, "undo", order=2)) == ["+a"]
    topics.take(decided(pair, "drop", order=3), rated(score=1.0, term=2, samples=1))
    if restarted:
        topics.restart()
    assert topics.take(decided(pair, "undo", order=4)) == ["a below_threshold"]
    assert topics.take(rated(score=4.9, term=3, samples=1)) == ["+a"]


def test_an_undo_that_a_restart_finds_on_the_topic_takes_the_newest_rating(topics) -> None:
    pair = rated(samples=1)
    topics.take(pair, decided(pair, "drop"), rated(score=4.8, term=2, samples=1))
    undo = decided(pair, "undo", order=2)
    assert undo.ruling is not None
    found = Decision(candidate=pair.candidate, rating=pair.rating, ruling=undo.ruling)
    topics.decisions.append(found)
    topics.restart()
    topics.take(undo)
    rating = topics.kept()["a"].rating
    assert rating is not None
    assert rating.term == 2


def test_of_two_people_the_later_one_on_the_topic_decides(topics) -> None:
    pair = rated(samples=1)
    topics.take(pair, decided(pair, "drop", order=1), decided(pair, "accept", order=2))
    assert topics.take(decided(pair, "drop", order=1)) == []
    assert topics.kept().keys() == {"a"}


@pytest.mark.parametrize("written", range(4))
def test_another_sample_of_the_passage_replaces_a_dropped_one(topics, written) -> None:
    topics.take(rated("a", 4.9), rated("b", 4.5), rated("c", 2.0))
    assert topics.kept().keys() == {"a"}
    topics.take(decided(rated("a", 4.9), "drop"), written=written)
    assert topics.kept().keys() == {"b"}
    assert [one.id for one in topics.kept()["b"].alternatives] == ["c"]
    topics.take(decided(rated("b", 4.5), "drop", order=2), written=written)
    assert topics.kept() == {}
    topics.take(decided(rated("a", 4.9), "undo", order=3), written=written)
    assert topics.kept().keys() == {"a"}


@pytest.mark.parametrize("written", range(4))
def test_an_accepted_sample_replaces_the_best_rated_one(topics, written) -> None:
    topics.take(rated("a", 4.9), rated("b", 1.5))
    topics.take(decided(rated("b", 1.5), "accept"), written=written)
    assert topics.kept().keys() == {"b"}
    assert [one.id for one in topics.kept()["b"].alternatives] == ["a"]
    assert topics.take(rated("c", 5.0)) == ["c outrated"]
    assert topics.take(rated("a", 5.0, term=1)) == ["a outrated"]
    topics.take(decided(rated("b", 1.5), "undo", order=2), written=written)
    assert topics.kept().keys() == {"c"} or topics.kept().keys() == {"a"}


def test_two_accepted_samples_are_both_kept(topics) -> None:
    topics.take(rated("a"), rated("b", 4.4), decided(rated("a"), "accept"))
    topics.take(decided(rated("b", 4.4), "accept", order=2))
    assert topics.kept().keys() == {"a", "b"}


def test_a_decision_about_a_pair_that_no_rating_came_of_counts_before_the_rating(topics) -> None:
    topics.take(decided(rated(samples=1), "drop"))
    assert topics.take(rated(score=5.0, term=1, samples=1)) == ["a dropped"]


_events = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(("rate", "accept", "drop", "edit", "undo")),
        st.sampled_from((1.5, 4.2, 4.9)),
        st.none() | st.integers(0, 4),
    ),
    max_size=10,
)


@settings(deadline=None)
@given(_events)
def test_a_kill_between_any_two_writes_changes_nothing_in_the_end(events) -> None:
    smooth, killed = Topics(), Topics()
    last: dict[str, Action] = {}
    for number, (id, what, score, written) in enumerate(events):
        pair = rated(id, score, term=number)
        if what != "rate":
            texts = Texts(instruction=f"Edited {number}", response="Yes.")
            pair = decided(pair, what, number + 1, texts if what == "edit" else None)
            last[id] = what
        smooth.take(pair)
        killed.take(pair, written=written)
    assert killed.kept().keys() == smooth.kept().keys()
    for id, action in last.items():
        if action != "undo":
            assert (id in smooth.kept()) == (action != "drop")
    undecided = {id for id in smooth.kept() if last.get(id, "undo") == "undo"}
    assert len(undecided) <= 1, "one sample of a passage is kept"
    for id, example in smooth.kept().items():
        assert (example.ruling is None) == (id in undecided)


def test_the_decider_says_where_a_decision_stands() -> None:
    pair = rated()
    decision = Decision(
        candidate=pair.candidate, rating=pair.rating, ruling=Ruling(action="drop", by="ada")
    )
    [made] = asyncio.run(Decider().handle(decision, Offset(topic="d", partition=0, offset=6)))
    assert isinstance(made, Scored)
    assert made.rating == pair.rating
    assert made.ruling == Ruling(action="drop", by="ada", order=7)
    assert asyncio.run(Decider().handle(Retraction("a", Decision))) == []


def test_the_decider_drops_and_restores_a_seed() -> None:
    candidate = rated().candidate

    def outcomes(action: Action, texts: Texts | None = None):
        ruling = Ruling(action=action, texts=texts)
        return asyncio.run(Decider().handle(Decision(candidate=candidate, ruling=ruling)))

    rejection, retraction = outcomes("drop")
    assert (rejection.stage, rejection.reason, retraction) == (
        "decider",
        "dropped",
        Retraction("a"),
    )
    [seed] = outcomes("edit", Texts(instruction="Why?", response="So."))
    assert (seed.origin, seed.instruction, seed.rating) == (ExampleOrigin.SEED, "Why?", None)
    [seed] = outcomes("undo")
    assert (seed.instruction, seed.ruling) == (REQUESTS["a"], None)
