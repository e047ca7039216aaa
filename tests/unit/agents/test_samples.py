"""Samples of one passage: the best-rated one is kept, the others are its alternatives."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.curation.settings import CuratorSettings
from agents.curator import Curator
from agents.outcomes import Retraction
from schemas.records import Alternative, Example, Rejection, Scored
from tests.unit.agents.test_curator import scored

_ASKED = (
    "Which birds sing at night in spring?",
    "How deep is the sea?",
    "Who wrote Faust, and when?",
    "Why does iron rust?",
    "Name three rivers of Asia.",
    "Describe a lock of a canal.",
)
_ANSWERS = ("Nightingales do, from a hedge.", "Nobody has measured where that ends.")
Outcomes = list[Example | Rejection | Retraction]


def rated(number: int, score: float, term: int = 0, passage: int = 0, of: int = 3) -> Scored:
    """A rating of a sample. Samples of all passages have different instructions."""
    record = scored(
        f"p{passage}s{number}", _ASKED[passage * 3 + number], _ANSWERS[passage], score, term=term
    )
    made = record.candidate.provenance.model_copy(
        update={"segment_id": f"segment {passage}", "sample": number, "samples": of}
    )
    return record.model_copy(
        update={"candidate": record.candidate.model_copy(update={"provenance": made})}
    )


def ask(curator: Curator, *records: Scored) -> Outcomes:
    """The outcomes of the last of these records."""
    return [asyncio.run(curator.handle(record)) for record in records][-1]


def summary(outcomes: Outcomes) -> list[object]:
    """Outcomes in short: an example with its alternatives, a rejection with its reason."""
    short: list[object] = []
    for outcome in outcomes:
        match outcome:
            case Example():
                short.append((outcome.id, [one.id for one in outcome.alternatives]))
            case Rejection():
                short.append((outcome.id, outcome.reason))
            case Retraction():
                short.append(outcome.id)
    return short


def test_a_better_sample_takes_the_place_of_the_kept_one() -> None:
    curator = Curator()
    assert summary(ask(curator, rated(0, 4.2))) == [("p0s0", [])]
    outcomes = ask(curator, rated(1, 4.8))
    assert summary(outcomes) == [("p0s1", ["p0s0"]), ("p0s0", "outrated"), "p0s0"]
    example, rejection = outcomes[:2]
    assert isinstance(example, Example)
    assert example.alternatives == (
        Alternative(
            id="p0s0",
            instruction=_ASKED[0],
            rating=rated(0, 4.2).rating,
            provenance=rated(0, 4.2).candidate.provenance,
        ),
    )
    assert isinstance(rejection, Rejection)
    assert (rejection.detail, rejection.score) == ("by p0s1, rated 4.80", 4.2)
    assert summary(ask(curator, rated(2, 4.5))) == [
        ("p0s1", ["p0s2", "p0s0"]),
        ("p0s2", "outrated"),
    ]
    assert len(curator) == 1


def test_samples_below_the_threshold_are_alternatives_in_any_order() -> None:
    curator = Curator()
    assert summary(ask(curator, rated(0, 2.0))) == [("p0s0", "below_threshold")]
    assert summary(ask(curator, rated(1, 4.2))) == [("p0s1", ["p0s0"])]
    assert summary(ask(curator, rated(2, 3.0))) == [
        ("p0s1", ["p0s2", "p0s0"]),
        ("p0s2", "below_threshold"),
    ]


def test_the_next_best_takes_over_where_the_kept_one_is_rated_down() -> None:
    curator = Curator()
    ask(curator, rated(0, 4.8), rated(1, 4.2), rated(2, 2.0))
    assert summary(ask(curator, rated(0, 2.5, term=1))) == [
        ("p0s1", ["p0s0", "p0s2"]),
        ("p0s0", "below_threshold"),
        "p0s0",
    ]
    assert summary(ask(curator, rated(1, 1.5, term=1))) == [("p0s1", "below_threshold"), "p0s1"]
    assert len(curator) == 0
    assert summary(ask(curator, rated(2, 4.1, term=1))) == [("p0s2", ["p0s0", "p0s1"])]
    assert ask(curator, rated(1, 5.0)) == [], "a rating of an earlier term"


def test_a_sample_that_a_rule_refuses_is_no_alternative() -> None:
    curator = Curator(CuratorSettings(keywords=("birds",)))
    assert summary(ask(curator, rated(1, 4.2))) == [("p0s1", [])]
    assert summary(ask(curator, rated(0, 4.9))) == [("p0s0", "instruction_keyword")]
    assert summary(ask(curator, rated(0, 1.0, term=1))) == [("p0s0", "below_threshold")]


def test_a_sample_that_repeats_another_passage_is_no_alternative() -> None:
    curator = Curator()
    ask(curator, scored("other", _ASKED[0], "Owls do."))
    assert summary(ask(curator, rated(1, 4.2))) == [("p0s1", [])]
    assert summary(ask(curator, rated(0, 4.9))) == [("p0s0", "not_novel")]


def test_samples_do_not_compete_where_the_rule_is_off_or_there_is_one() -> None:
    off = Curator(CuratorSettings.model_validate({"rules": {"outrated": False}}))
    ask(off, rated(0, 4.2))
    assert summary(ask(off, rated(1, 4.8))) == [("p0s1", "same_response")]
    alone = Curator()
    ask(alone, rated(0, 4.2, of=1))
    assert summary(ask(alone, rated(1, 4.8, of=1))) == [("p0s1", "same_response")]


def test_an_example_of_an_older_version_is_rated_down_or_outrated() -> None:
    """An older curator wrote it without the number of samples."""
    [old] = ask(Curator(), rated(0, 4.2, of=1))
    assert isinstance(old, Example)
    for record, expected in (
        (rated(0, 2.0, term=1), [("p0s0", "below_threshold"), "p0s0"]),
        (rated(0, 4.5, term=1), [("p0s0", [])]),
        (rated(0, 4.2), [("p0s0", [])]),
        (rated(1, 4.8), [("p0s1", "same_response")]),
    ):
        curator = Curator()
        curator.restore(old.id, old)
        assert summary(ask(curator, record)) == expected
    curator = Curator()
    curator.restore(old.id, old)
    ask(curator, rated(0, 4.5, term=1))
    assert summary(ask(curator, rated(1, 4.8, term=1))) == [
        ("p0s1", ["p0s0"]),
        ("p0s0", "outrated"),
        "p0s0",
    ]


def test_alternatives_that_do_not_fit_are_left_out() -> None:
    long = rated(0, 4.2)
    words = " ".join(["x" * 1000] * 80)
    long = long.model_copy(
        update={"candidate": long.candidate.model_copy(update={"instruction": words})}
    )
    curator = Curator(CuratorSettings.model_validate({"rules": {"instruction_repeats": False}}))
    ask(curator, long)
    assert summary(ask(curator, rated(1, 4.8))) == [
        ("p0s1", []),
        ("p0s0", "outrated"),
        "p0s0",
    ]


class Topics:
    """What the broker holds of the curator's input and output, and a curator that can be killed."""

    def __init__(self, source: Sequence[Scored], make: Callable[[], Curator] = Curator) -> None:
        self.source = source
        self.make = make
        self.curated: list[tuple[str, Example | None]] = []
        self.rejected: set[str] = set()
        self.committed = 0

    def run(self, until: int, curated: int | None = None, rejected: int | None = None) -> None:
        """Start a curator at the committed offset, and process up to an offset.

        With ``curated`` and ``rejected``, it is killed then: only so many of the messages that it
        wrote in this run are there, and nothing was committed.
        """
        curator = self.make()
        for id, example in self.curated:
            curator.restore(id, example)
        for record in self.source[: self.committed]:
            curator.recall(record)
        kept: list[tuple[str, Example | None]] = []
        refused: list[str] = []
        for record in self.source[self.committed : until]:
            for outcome in asyncio.run(curator.handle(record)):
                if isinstance(outcome, Rejection):
                    refused.append(outcome.id)
                else:
                    kept.append((outcome.id, outcome if isinstance(outcome, Example) else None))
        self.curated += kept[:curated]
        self.rejected.update(refused[:rejected])
        if curated is None:
            self.committed = until

    def examples(self) -> dict[str, Example]:
        """The newest value of each id."""
        return {id: example for id, example in dict(self.curated).items() if example}


_SAMPLES = [(passage, number) for passage in range(2) for number in range(3)]
_RATINGS = [(*sample, term) for sample in _SAMPLES for term in range(2)]


@settings(max_examples=100, deadline=None)
@given(
    st.permutations(_RATINGS),
    st.lists(st.sampled_from((2.0, 3.0, 4.2, 4.5, 4.8)), min_size=12, max_size=12),
    st.lists(st.tuples(*[st.integers(0, 12)] * 4), max_size=3),
    st.integers(0, 12),
)
def test_any_order_and_any_kill_end_in_the_best_sample_of_each_passage(
    order: Sequence[tuple[int, int, int]],
    scores: Sequence[float],
    kills: Iterable[tuple[int, int, int, int]],
    received: int,
) -> None:
    """Ratings of two terms come in any order; processes are killed while messages are written."""
    by_rating = dict(zip(_RATINGS, scores, strict=True))
    source = [
        rated(number, by_rating[passage, number, term], term, passage)
        for passage, number, term in order
    ][: max(received, 1)]
    topics = Topics(source)
    for commit, until, curated, rejected in sorted(kills):
        if commit > topics.committed:
            topics.run(min(commit, len(source)))
        topics.run(min(max(until, commit), len(source)), curated, rejected)
    topics.run(len(source))
    newest: dict[str, Scored] = {}
    for record in source:
        if record.id not in newest or newest[record.id].rating.term < record.rating.term:
            newest[record.id] = record
    examples = topics.examples()
    for passage in range(2):
        samples = [one for one in newest.values() if one.id.startswith(f"p{passage}")]
        best = sorted(samples, key=lambda one: (-one.rating.score, one.id))
        good = [one for one in best if one.rating.score >= 4]
        kept = [examples[one.id] for one in best if one.id in examples]
        assert [one.id for one in kept] == [one.id for one in good[:1]]
        if kept:
            assert kept[0].rating == best[0].rating
            assert [(one.id, one.rating) for one in kept[0].alternatives] == [
                (one.id, one.rating) for one in best[1:]
            ]
    assert newest.keys() - examples.keys() <= topics.rejected, "every other one is answered for"
