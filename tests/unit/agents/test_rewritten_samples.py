"""A rewritten response competes with its original, and with the other samples of the passage."""

from collections.abc import Iterable, Sequence
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.curation.settings import CuratorSettings
from agents.curator import Curator
from schemas.records import Example, Original, Scored
from tests.unit.agents.test_samples import Topics, ask, rated, summary

_REWRITTEN = "From a hedge, in the hours before dawn, males call their mates."


def rewritten(
    of: Scored, score: float, term: int = 0, response: str = _REWRITTEN, id: str = ""
) -> Scored:
    """A rating of a response that was rewritten from a candidate."""
    candidate = of.candidate
    original = Original(
        id=candidate.id,
        response=candidate.response,
        rating=of.rating,
        release=candidate.provenance.release,
        template=candidate.provenance.template,
    )
    made = candidate.provenance.model_copy(
        update={"generator": "rewriter", "template": "rewriting.1", "original": original}
    )
    other = candidate.model_copy(
        update={
            "id": id or f"{candidate.id}r",
            "response": response,
            "provenance": made,
        }
    )
    rating = of.rating.model_copy(update={"score": score, "term": term})
    return Scored(candidate=other, rating=rating)


def curator() -> Curator:
    return Curator(rewriting=True)


def test_a_better_rewritten_response_takes_the_place_of_its_original() -> None:
    one, original = curator(), rated(0, 4.2, of=1)
    assert summary(ask(one, original)) == [("p0s0", [])]
    outcomes = ask(one, rewritten(original, 4.6))
    assert summary(outcomes) == [("p0s0r", ["p0s0"]), ("p0s0", "outrated"), "p0s0"]
    example = outcomes[0]
    assert isinstance(example, Example)
    assert example.response == _REWRITTEN
    [alternative] = example.alternatives
    assert alternative.response == original.candidate.response
    assert alternative.rating == original.rating
    kept = example.provenance.original
    assert kept is not None, "provenance has both responses"
    assert (kept.id, kept.response, kept.rating) == (
        "p0s0",
        original.candidate.response,
        original.rating,
    )
    assert (kept.template, example.provenance.template) == ("backward.markers.1", "rewriting.1")


@pytest.mark.parametrize("score", [4.1, 4.2, 2.0])
def test_one_that_is_not_better_is_an_alternative(score: float) -> None:
    one, original = curator(), rated(0, 4.2, of=1)
    ask(one, original)
    example, rejection = ask(one, rewritten(original, score))
    assert isinstance(example, Example)
    assert (example.id, example.response) == ("p0s0", original.candidate.response)
    [alternative] = example.alternatives
    assert (alternative.id, alternative.response) == ("p0s0r", _REWRITTEN)
    assert rejection.id == "p0s0r"


def test_it_competes_with_every_sample_of_the_passage() -> None:
    one, first = curator(), rated(0, 4.2)
    assert summary(ask(one, first, rewritten(first, 4.4), rated(1, 4.6))) == [
        ("p0s1", ["p0s0r", "p0s0"]),
        ("p0s0r", "outrated"),
        "p0s0r",
    ]
    example = ask(one, rated(1, 1.0, term=1))[0]
    assert isinstance(example, Example)
    assert (example.id, example.response) == ("p0s0r", _REWRITTEN)
    assert [(one.id, one.response) for one in example.alternatives] == [
        ("p0s0", first.candidate.response),
        ("p0s1", first.candidate.response),
    ]


def test_the_original_takes_over_again_where_the_rewritten_one_is_rated_down() -> None:
    one, original = curator(), rated(0, 4.2, of=1)
    ask(one, original, rewritten(original, 4.6))
    example, *others = ask(one, rewritten(original, 4.0, term=1))
    assert isinstance(example, Example)
    assert (example.id, example.response) == ("p0s0", original.candidate.response)
    assert example.provenance.original is None
    assert summary(others) == [("p0s0r", "outrated"), "p0s0r"]


def test_where_the_original_is_rated_down_the_rewritten_one_is_judged_by_itself() -> None:
    one, original = curator(), rated(0, 4.8, of=1)
    ask(one, original, rewritten(original, 4.6))
    low = rated(0, 2.0, term=1, of=1)
    assert summary(ask(one, low)) == [
        ("p0s0r", ["p0s0"]),
        ("p0s0", "below_threshold"),
        "p0s0",
    ]
    assert summary(ask(one, rewritten(original, 3.0, term=1))) == [
        ("p0s0r", "below_threshold"),
        "p0s0r",
    ]


def test_an_example_that_was_kept_before_rewriting_was_set_is_outrated() -> None:
    original = rated(0, 4.2, of=1)
    [old] = ask(Curator(), original)
    assert isinstance(old, Example)
    one = curator()
    one.restore(old.id, old)
    assert summary(ask(one, rewritten(original, 4.6))) == [
        ("p0s0r", ["p0s0"]),
        ("p0s0", "outrated"),
        "p0s0",
    ]


def test_they_compete_still_where_rewriting_is_not_set_any_more() -> None:
    one, original = curator(), rated(0, 4.2, of=1)
    ask(one, original)
    example, _ = ask(one, rewritten(original, 4.1))
    assert isinstance(example, Example)
    later = Curator()
    later.restore(example.id, example)
    assert summary(ask(later, rated(0, 3.0, term=1, of=1))) == [
        ("p0s0r", ["p0s0"]),
        ("p0s0", "below_threshold"),
        "p0s0",
    ]


def test_a_passage_that_was_rewritten_is_known_still() -> None:
    def of(passage: int, response: str) -> Scored:
        record = rated(0, 4.2, passage=passage, of=1)
        candidate = record.candidate.model_copy(update={"response": response})
        return record.model_copy(update={"candidate": candidate})

    text = " ".join(f"Bird {number} sings in its own hedge at night." for number in range(20))
    one, original = curator(), of(0, text)
    ask(one, original, rewritten(original, 4.6))
    assert summary(ask(one, of(1, text.replace("Bird 19", "Bird 20")))) == [
        ("p1s0", "near_duplicate")
    ]


def test_personal_data_is_masked_in_the_original_too() -> None:
    original = rated(0, 4.2, of=1)
    mail = "Nightingales do, says ann@birds.org, from a hedge."
    candidate = original.candidate.model_copy(update={"response": mail})
    original = original.model_copy(update={"candidate": candidate})
    masking = Curator(CuratorSettings(personal_data="mask"), rewriting=True)
    ask(masking, original)
    example = ask(masking, rewritten(original, 4.6))[0]
    assert isinstance(example, Example)
    assert "ann@birds.org" not in example.model_dump_json()
    assert [one.id for one in example.alternatives] == ["p0s0"]


_ORIGINALS = [rated(number, 4.2, 0, passage, of=2) for passage in range(2) for number in range(2)]
_WORDS = (
    "one owl two",
    "grey herons three",
    "wild geese four",
    "small wrens five",
)


def _sample(number: int, term: int, score: float) -> Scored:
    """A rating of one of eight samples: four originals, and what was rewritten from each."""
    original = _ORIGINALS[number // 2]
    if number % 2 == 0:
        rating = original.rating.model_copy(update={"score": score, "term": term})
        return original.model_copy(update={"rating": rating})
    return rewritten(original, score, term, response=f"{_WORDS[number // 2]} answered it again.")


_RATINGS = [(number, term) for number in range(8) for term in range(2)]


@settings(max_examples=100, deadline=None)
@given(
    st.permutations(_RATINGS),
    st.lists(st.sampled_from((2.0, 3.0, 4.2, 4.5, 4.8)), min_size=16, max_size=16),
    st.lists(st.tuples(*[st.integers(0, 16)] * 4), max_size=3),
)
def test_any_order_and_any_kill_end_in_the_best_one(
    order: Sequence[tuple[int, int]],
    scores: Sequence[float],
    kills: Iterable[tuple[int, int, int, int]],
) -> None:
    by_rating = dict(zip(_RATINGS, scores, strict=True))
    source = [_sample(number, term, by_rating[number, term]) for number, term in order]
    topics = Topics(source, partial(Curator, rewriting=True))
    for commit, until, curated, refused in sorted(kills):
        if commit > topics.committed:
            topics.run(commit)
        topics.run(max(until, commit), curated, refused)
    topics.run(len(source))
    newest = {record.id: record for record in source if record.rating.term == 1}
    examples = topics.examples()
    for passage in range(2):
        samples = [one for one in newest.values() if one.id.startswith(f"p{passage}")]
        best = sorted(
            samples,
            key=lambda one: (-one.rating.score, one.id.endswith("r"), one.id),
        )
        kept = [examples[one.id] for one in best if one.id in examples]
        good = [one for one in best if one.rating.score >= 4]
        assert [one.id for one in kept] == [one.id for one in good[:1]]
        for example in kept:
            chosen = newest[example.id].candidate
            assert (example.instruction, example.response) == (chosen.instruction, chosen.response)
            assert [
                (one.id, one.instruction, one.response or example.response, one.rating)
                for one in example.alternatives
            ] == [
                (one.id, one.candidate.instruction, one.candidate.response, one.rating)
                for one in best[1:]
            ]
    assert newest.keys() - examples.keys() <= topics.rejected, "every other one is answered for"
