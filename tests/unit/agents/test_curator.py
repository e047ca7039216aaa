"""The curator: its outcomes, and its state."""

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.curation.settings import CuratorSettings
from agents.curator import Curator
from agents.outcomes import Retraction
from schemas.records import Candidate, Example, ExampleOrigin, Provenance, Rating, Rejection, Scored

INSTRUCTION = "How does a generator differ from a list?"
RESPONSE = "Generators make one value at a time, when it is asked for. Lists hold all of them."
Outcomes = list[Example | Rejection | Retraction]


def scored(
    id: str = "e1",
    instruction: str = INSTRUCTION,
    response: str = RESPONSE,
    score: float = 4.5,
    release: str = "m1",
    term: int = 0,
) -> Scored:
    provenance = Provenance(
        source="manual",
        document_id="d1",
        segment_id="s1",
        release="m0",
        template="backward.markers.1",
    )
    candidate = Candidate(
        id=id, instruction=instruction, context="Python 3", response=response, provenance=provenance
    )
    rating = Rating(
        score=score,
        probabilities=(0, 0, 0, 0.5, 0.5),
        release=release,
        template="rating.markers.1",
        term=term,
    )
    return Scored(candidate=candidate, rating=rating)


def invented(instruction: str) -> Scored:
    """A pair of which both sides were written by a model, as by Self-Instruct."""
    record = scored(instruction=instruction)
    made = record.candidate.provenance.model_copy(update={"segment_id": ""})
    candidate = record.candidate.model_copy(update={"provenance": made})
    return record.model_copy(update={"candidate": candidate})


def ask(curator: Curator, *records: Scored) -> Outcomes:
    """The outcome of the last of these records."""
    return [asyncio.run(curator.handle(record)) for record in records][-1]


def the_rejection(outcomes: Outcomes) -> Rejection:
    assert len(outcomes) == 1
    assert isinstance(outcomes[0], Rejection)
    return outcomes[0]


def the_example(outcomes: Outcomes) -> Example:
    assert len(outcomes) == 1
    assert isinstance(outcomes[0], Example)
    return outcomes[0]


def test_a_good_pair_becomes_an_example() -> None:
    record = scored()
    assert the_example(ask(Curator(), record)) == Example(
        id="e1",
        instruction=INSTRUCTION,
        context="Python 3",
        response=RESPONSE,
        origin=ExampleOrigin.AUGMENTED,
        rating=record.rating,
        provenance=record.candidate.provenance,
        threshold=4.0,
    )


def test_an_example_names_the_limit_that_it_passed() -> None:
    example = the_example(ask(Curator(CuratorSettings(threshold=3.5)), scored()))
    assert (example.threshold, example.target_precision) == (3.5, None)
    asked = CuratorSettings(target_precision=0.9)
    record = scored()
    judged = record.model_copy(
        update={"rating": record.rating.model_copy(update={"precision": 0.95})}
    )
    example = the_example(ask(Curator(asked), judged))
    assert (example.threshold, example.target_precision) == (None, 0.9)
    example = the_example(ask(Curator(asked), record))
    assert (example.threshold, example.target_precision) == (4.0, None)
    none = CuratorSettings.model_validate({"rules": {"below_threshold": False}})
    example = the_example(ask(Curator(none), scored(score=1.5)))
    assert (example.threshold, example.target_precision) == (None, None)


def test_a_rejection_names_what_was_refused_and_by_whom() -> None:
    assert the_rejection(ask(Curator(), scored(score=3.99))) == Rejection(
        id="e1",
        stage="curator",
        reason="below_threshold",
        detail="rated 3.99, at least 4",
        document_id="d1",
        segment_id="s1",
        release="m1",
        score=3.99,
    )


@pytest.mark.parametrize(
    ("score", "threshold", "detail"),
    [
        (3.9999, 4.0, "rated 3.99, at least 4"),
        (3.498, 3.5, "rated 3.49, at least 3.5"),
        (4.35, 4.4, "rated 4.35, at least 4.4"),
        (4.2499, 4.25, "rated 4.24, at least 4.25"),
    ],
)
def test_a_rating_that_is_refused_is_not_shown_as_reaching_the_threshold(
    score: float, threshold: float, detail: str
) -> None:
    curator = Curator(CuratorSettings(threshold=threshold))
    assert the_rejection(ask(curator, scored(score=score))).detail == detail


@pytest.mark.parametrize(
    ("precision", "target", "said"),
    [(0.8999, 0.9, "89% deserve a 4 or 5, at least 90%"), (0.902, 0.905, "90% .* least 90.5%")],
)
def test_a_precision_that_is_refused_is_not_shown_as_reaching_the_target(
    precision: float, target: float, said: str
) -> None:
    record = scored()
    rating = record.rating.model_copy(update={"precision": precision})
    curator = Curator(CuratorSettings(target_precision=target))
    refused = the_rejection(ask(curator, record.model_copy(update={"rating": rating})))
    assert re.search(said, refused.detail)


def test_the_threshold_itself_passes() -> None:
    assert the_example(ask(Curator(), scored(score=4.0)))
    assert (
        the_rejection(ask(Curator(CuratorSettings(threshold=4.5)), scored(score=4.4))).reason
        == "below_threshold"
    )


def test_a_target_precision_takes_the_place_of_the_threshold() -> None:
    curator = Curator(CuratorSettings(threshold=4.0, target_precision=0.9))
    low, high = (
        record.model_copy(
            update={"rating": record.rating.model_copy(update={"precision": precision})}
        )
        for record, precision in ((scored("low"), 0.85), (scored("high", score=3.0), 0.9))
    )
    refused = the_rejection(ask(curator, low))
    assert refused.reason == "below_precision"
    assert refused.detail == ("rated 4.50, from which on 85% deserve a 4 or 5, at least 90%")
    assert the_example(ask(curator, high))
    unjudged = Curator(CuratorSettings(threshold=4.0, target_precision=0.9))
    assert the_rejection(ask(unjudged, scored(score=3.9))).reason == "below_threshold"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (scored(instruction="Generators"), "instruction_too_short"),
        (invented("Draw the state of a generator"), "instruction_keyword"),
        (scored(instruction="How do generators work? ### Answer: lazily"), "prompt_leak"),
        (
            scored(instruction="Generators make one value at a time, when it is asked for"),
            "response_echoes_instruction",
        ),
        (scored(response=f"Lazily. {INSTRUCTION} So."), "instruction_echoes_response"),
        (
            scored(instruction="Draw", score=1.0),
            "below_threshold",
        ),  # the cheapest rule is applied first
    ],
)
def test_every_rule_is_applied(record: Scored, reason: str) -> None:
    assert the_rejection(ask(Curator(), record)).reason == reason


def test_settings_reach_the_rules() -> None:
    settings = CuratorSettings(
        min_words=2, max_words=6, keywords=("generators",), ascii_start=False
    )
    curator = Curator(settings)
    assert the_rejection(ask(curator, scored())).reason == "instruction_too_long"
    assert (
        the_rejection(ask(curator, scored("e2", "Explain generators"))).reason
        == "instruction_keyword"
    )
    assert the_example(ask(curator, scored("e3", "Élan vital?")))


def test_short_questions_and_words_of_pictures_pass_where_there_is_a_passage() -> None:
    for number, instruction in enumerate(("What is SQLite?", "Plot the graph of a tree.")):
        assert the_example(ask(Curator(), scored(f"e{number}", instruction, f"Answer {number}.")))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (scored(score=1.0), "below_threshold"),
        (scored(instruction="Generators"), "instruction_too_short"),
        (scored(instruction="word " * 151 + "?"), "instruction_too_long"),
        (scored(instruction="- How do generators work?"), "instruction_start"),
        (scored(instruction="1 2 3 4"), "instruction_no_letter"),
        (scored(instruction="an end of an end of an end of"), "instruction_repeats"),
        (invented("Draw the state of a generator"), "instruction_keyword"),
        (scored(instruction="How do generators work? ### Answer: lazily"), "prompt_leak"),
        (
            scored(instruction="Generators make one value at a time, when it is asked for"),
            "response_echoes_instruction",
        ),
        (scored(response=f"Lazily. {INSTRUCTION} So."), "instruction_echoes_response"),
    ],
)
def test_a_rule_can_be_switched_off_by_the_reason_of_its_rejections(
    record: Scored, reason: str
) -> None:
    assert the_rejection(ask(Curator(), record)).reason == reason
    off = {"rules": {reason: False, "instruction_repeats": False}}
    curator = Curator(CuratorSettings.model_validate(off))
    found = ask(curator, record)[0]
    assert not isinstance(found, Rejection) or found.reason != reason


def test_rules_that_compare_can_be_switched_off() -> None:
    off = {"same_response": False, "not_novel": False, "near_duplicate": False}
    curator = Curator(CuratorSettings.model_validate({"rules": off}))
    for number in range(3):
        assert the_example(ask(curator, scored(f"e{number}")))


@pytest.mark.parametrize(
    "settings",
    [
        {"threshold": 0.5},
        {"threshold": 5.5},
        {"target_precision": 0.0},
        {"target_precision": 1.5},
        {"novelty": 0.0},
        {"min_words": 5, "max_words": 4},
        {"keywords": ("",)},
        {"rules": {"unheard_of": False}},
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CuratorSettings.model_validate(settings)


def test_an_instruction_like_a_kept_one_is_not_novel() -> None:
    refused = the_rejection(
        ask(
            Curator(),
            scored(),
            scored("e2", "How does a generator differ from a tuple?", "Another text."),
        )
    )
    assert refused.reason == "not_novel"
    assert refused.detail == "ROUGE-L 0.88 with e1"


def test_a_response_is_kept_once_whatever_asks_for_it() -> None:
    other = scored("e2", "When should values be computed lazily?", RESPONSE.replace(". ", ".\n\n"))
    refused = the_rejection(ask(Curator(), scored(), other))
    assert (refused.reason, refused.detail) == ("same_response", "the response is that of e1")


def test_what_was_refused_does_not_count_for_novelty() -> None:
    assert the_example(ask(Curator(), scored(score=2.0), scored("e2")))


def test_the_same_rating_again_gives_nothing() -> None:
    assert ask(Curator(), scored(), scored()) == []


def test_a_better_rating_by_another_release_replaces() -> None:
    example = the_example(ask(Curator(), scored(), scored(score=4.9, release="m2")))
    assert example.rating is not None
    assert example.rating.release == "m2"


def test_a_rating_that_fails_takes_the_example_back() -> None:
    curator = Curator()
    outcomes = ask(curator, scored(), scored(score=2.0, release="m2"))
    assert isinstance(outcomes[0], Rejection)
    assert outcomes[0].reason == "below_threshold"
    assert outcomes[1:] == [Retraction("e1", Example)]
    assert len(curator) == 0
    assert the_example(ask(curator, scored("e2")))  # its place is free
    assert ask(curator, scored(score=2.0, release="m2")) == []  # and it is not taken back twice


def test_the_rating_of_a_later_term_counts_even_by_a_release_that_served_before() -> None:
    curator = Curator()
    ask(curator, scored(release="m2", term=5))
    assert ask(curator, scored(score=2.0, release="m9", term=3)) == []
    assert (
        the_example(ask(curator, scored(score=4.1, release="m1", term=8))).rating
        == scored(score=4.1, term=8).rating
    )


def test_an_earlier_rating_does_not_bring_back_what_a_later_one_refused() -> None:
    curator = Curator()
    the_rejection(ask(curator, scored(score=2.0, term=5)))
    assert ask(curator, scored(score=5.0, release="m0", term=3)) == []
    again = Curator()
    again.recall(scored(score=2.0, term=5))
    again.recall(scored(score=5.0, release="m0", term=3))
    assert ask(again, scored(score=5.0, release="m0", term=3)) == [], "nor after a restart"


@given(
    st.permutations([(id, term) for id in range(4) for term in range(3)]),
    st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_ratings_in_any_order_end_in_the_same_set(
    order: list[tuple[int, int]], good: list[bool]
) -> None:
    """Each of four examples is rated under three terms. The topic ends with the last term's set."""
    subjects = (
        "Which birds sing at night in spring?",
        "How deep is the sea?",
        "Who wrote Faust, and when?",
        "Why does iron rust?",
    )
    curator = Curator()
    topic: dict[str, Example] = {}
    for id, term in order:
        score = 4.5 if good[id * 3 + term] else 2.0
        for outcome in ask(
            curator, scored(f"e{id}", subjects[id], f"Answer {id}.", score, f"m{term}", term)
        ):
            if isinstance(outcome, Example):
                topic[outcome.id] = outcome
            elif isinstance(outcome, Retraction):
                del topic[outcome.id]
    assert {(e.id, e.rating.term) for e in topic.values() if e.rating} == {
        (f"e{id}", 2) for id in range(4) if good[id * 3 + 2]
    }


def test_the_memory_comes_back_from_the_topic() -> None:
    before = Curator()
    kept = the_example(ask(before, scored()))
    after = Curator()
    after.restore(kept.id, kept)
    assert ask(after, scored()) == []
    assert the_rejection(ask(after, scored("e2"))).reason == "same_response"


def test_a_tombstone_forgets() -> None:
    kept = the_example(ask(Curator(), scored()))
    curator = Curator()
    curator.restore(kept.id, kept)
    curator.restore(kept.id, None)
    curator.restore("never there", None)
    assert len(curator) == 0
    assert the_example(ask(curator, scored("e2")))


def test_the_last_record_of_an_id_counts() -> None:
    first = the_example(ask(Curator(), scored()))
    second = first.model_copy(
        update={
            "instruction": "Which keyword suspends a function?",
            "response": "The keyword is yield.",
        }
    )
    curator = Curator()
    curator.restore("e1", first)
    curator.restore("e1", second)
    assert len(curator) == 1
    assert the_example(ask(curator, scored("e2")))
    assert (
        the_rejection(ask(curator, scored("e3", second.instruction, "Else."))).detail
        == "ROUGE-L 1.00 with e1"
    )


def test_seeds_count_for_novelty() -> None:
    curator = Curator()
    curator.restore(
        "seed",
        Example(id="seed", instruction=INSTRUCTION, response="Lazily.", origin=ExampleOrigin.SEED),
    )
    assert the_rejection(ask(curator, scored())).detail == "ROUGE-L 1.00 with seed"


def test_seeds_may_share_a_response() -> None:
    curator = Curator()
    for id, instruction in (
        ("a", "Is a tuple immutable, yes or no?"),
        ("b", "Can dictionaries be nested in one another?"),
    ):
        curator.restore(
            id, Example(id=id, instruction=instruction, response="Yes.", origin=ExampleOrigin.SEED)
        )
    curator.restore("a", None)
    refused = the_rejection(ask(curator, scored("e1", response="Yes.")))
    assert refused.detail == "the response is that of b"
