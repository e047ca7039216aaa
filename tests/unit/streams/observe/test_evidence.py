"""What each kind of record answers for."""

import pytest

from schemas.records import (
    Alternative,
    Candidate,
    Example,
    ExampleOrigin,
    Original,
    Preference,
    Provenance,
    Rating,
    Rejection,
    Ruling,
    Scored,
    Segment,
    Side,
)
from streams.observe.evidence import Evidence
from streams.stages.harness.deleted_unread import DeletedUnread

_STAGES = ("segmenter", "backward", "scorer", "curator")
_IDS = ("document", "segment", "example", "example")
"""The id on the source of each stage."""
_MADE_FROM = Provenance(document_id="document", segment_id="segment")
_CANDIDATE = Candidate(id="example", instruction="Why?", response="So.", provenance=_MADE_FROM)
_RATING = Rating(score=4.0, probabilities=(0, 0, 0, 1, 0), release="r", template="t")


@pytest.fixture
def evidence() -> Evidence:
    return Evidence()


def _followed(evidence: Evidence) -> list[str]:
    return [
        stage for stage, id in zip(_STAGES, _IDS, strict=True) if evidence.is_followed(stage, id)
    ]


def _rejected(evidence: Evidence) -> list[str]:
    return [
        stage for stage, id in zip(_STAGES, _IDS, strict=True) if evidence.is_rejected(stage, id)
    ]


def _rejection(stage: str, id: str, reason: str = "bad", count: int = 1) -> Rejection:
    return Rejection(
        id=id,
        stage=stage,
        reason=reason,
        document_id="document",
        segment_id="segment",
        count=count,
    )


def test_a_segment_answers_for_its_document(evidence: Evidence) -> None:
    evidence.add_segment(
        Segment(id="segment", document_id="document", source="s", position=0, text="T.")
    )
    assert _followed(evidence) == ["segmenter"]


def test_what_comes_later_answers_for_everything_before_it(evidence: Evidence) -> None:
    evidence.add_candidate(_CANDIDATE)
    assert _followed(evidence) == ["segmenter", "backward"]
    evidence.add_scored(Scored(candidate=_CANDIDATE, rating=_RATING))
    assert _followed(evidence) == ["segmenter", "backward", "scorer"]


def test_an_example_answers_for_all_stages_and_its_tombstone_for_the_curator(
    evidence: Evidence,
) -> None:
    evidence.add_example("example", None)
    assert _followed(evidence) == ["curator"]
    example = Example(
        id="example",
        instruction="Why?",
        response="So.",
        origin=ExampleOrigin.AUGMENTED,
        rating=_RATING,
        provenance=_MADE_FROM,
    )
    evidence.add_example("example", example)
    assert _followed(evidence) == list(_STAGES)


def test_what_was_kept_and_taken_back_is_rejected(evidence: Evidence) -> None:
    example = Example(
        id="example",
        instruction="Why?",
        response="So.",
        origin=ExampleOrigin.AUGMENTED,
        provenance=_MADE_FROM,
    )
    evidence.add_example("example", example)
    evidence.add_rejection(_rejection("curator", "example"))
    assert (evidence.is_followed("curator", "example"), evidence.examples) == (True, 1)
    evidence.add_example("example", None)
    assert (evidence.is_followed("curator", "example"), evidence.examples) == (False, 0)
    evidence.add_example("example", example)
    assert (evidence.is_followed("curator", "example"), evidence.examples) == (True, 1)


def _rewritten() -> Provenance:
    original = Original(id="example", response="So.", rating=_RATING)
    return _MADE_FROM.model_copy(update={"generator": "rewriter", "original": original})


def test_what_was_rewritten_answers_for_its_original(evidence: Evidence) -> None:
    assert not evidence.is_followed("rewriter", "example")
    evidence.add_candidate(
        _CANDIDATE.model_copy(update={"id": "again", "provenance": _rewritten()})
    )
    assert evidence.is_followed("rewriter", "example")
    assert _followed(evidence) == list(_STAGES)


def test_an_alternative_answers_for_its_original_too(evidence: Evidence) -> None:
    """Where retention has deleted the candidate."""
    other = Alternative(
        id="again", instruction="Why?", response="Yes.", rating=_RATING, provenance=_rewritten()
    )
    example = Example(
        id="example",
        instruction="Why?",
        response="So.",
        origin=ExampleOrigin.AUGMENTED,
        provenance=_MADE_FROM,
        alternatives=(other,),
    )
    evidence.add_example("example", example)
    assert evidence.is_followed("rewriter", "example")


def test_a_pair_answers_for_its_example(evidence: Evidence) -> None:
    side = Side(id="example", text="So.", rating=_RATING)
    pair = Preference(
        id="example.forward",
        example_id="example",
        task="forward",
        prompt="Why?",
        chosen=side,
        rejected=side,
        margin=1.0,
    )
    assert not evidence.is_followed("pairer", "example")
    evidence.add_preference(pair)
    assert evidence.is_followed("pairer", "example")


@pytest.mark.parametrize("stage", ["decider", "curator"])
def test_what_was_dropped_answers_for_its_decision(evidence: Evidence, stage: str) -> None:
    assert not evidence.is_followed("decider", "example")
    assert evidence.add_rejection(_rejection(stage, "example", "dropped"))
    assert evidence.is_followed("decider", "example")


def test_an_accepted_example_answers_for_its_decision(evidence: Evidence) -> None:
    example = Example(
        id="example", instruction="Why?", response="So.", origin=ExampleOrigin.AUGMENTED
    )
    evidence.add_example("example", example)
    assert not evidence.is_followed("decider", "example")
    accepted = example.model_copy(update={"ruling": Ruling(action="accept")})
    evidence.add_example("example", accepted)
    assert evidence.is_followed("decider", "example")


def test_a_rejection_of_the_rewriter_leaves_the_example_as_it_is(evidence: Evidence) -> None:
    example = Example(id="example", instruction="Why?", response="So.", origin=ExampleOrigin.SEED)
    evidence.add_example("example", example)
    assert evidence.add_rejection(_rejection("rewriter", "example", "human"))
    assert evidence.is_rejected("rewriter", "example")
    assert not evidence.is_rejected("curator", "example")
    assert evidence.is_followed("curator", "example")


def test_a_seed_answers_for_no_document(evidence: Evidence) -> None:
    seed = Example(id="seed", instruction="Why?", response="So.", origin=ExampleOrigin.SEED)
    evidence.add_example("seed", seed)
    assert not evidence.is_followed("segmenter", "")
    assert not evidence.is_followed("backward", "")


@pytest.mark.parametrize(
    ("stage", "id", "rejected", "followed"),
    [
        ("segmenter", "segment", ["segmenter"], []),
        ("backward", "example", ["backward"], ["segmenter"]),
        ("scorer", "example", ["scorer"], ["segmenter", "backward"]),
        ("recurator", "example", [], ["segmenter", "backward"]),
        ("curator", "example", ["curator"], ["segmenter", "backward", "scorer"]),
    ],
)
def test_a_rejection_answers_in_its_stage_and_for_the_stages_before(
    stage: str, id: str, rejected: list[str], followed: list[str], evidence: Evidence
) -> None:
    assert evidence.add_rejection(_rejection(stage, id))
    assert (_rejected(evidence), _followed(evidence)) == (rejected, followed)


def test_a_rejection_of_no_stage_answers_for_nothing(evidence: Evidence) -> None:
    assert not evidence.add_rejection(_rejection("billing", "document"))
    assert _rejected(evidence) == []
    assert evidence.rejections == {}


def test_a_rejection_that_is_there_twice_is_counted_once(evidence: Evidence) -> None:
    for _ in range(2):
        evidence.add_rejection(_rejection("segmenter", "document", "too_short", 3))
    assert evidence.rejections == {("segmenter", "too_short"): 3}


def test_a_letter_answers_for_one_message_of_one_stage(evidence: Evidence) -> None:
    evidence.add_dead("scorer", "candidates", 1, 7)
    assert evidence.is_dead("scorer", "candidates", 1, 7)
    assert not evidence.is_dead("recurator", "candidates", 1, 7)
    assert not evidence.is_dead("scorer", "candidates", 1, 8)


def test_messages_that_were_deleted_unread_are_no_rejections(evidence: Evidence) -> None:
    lost = DeletedUnread("segmenter", "a/b.documents", 2, 40, 3)
    assert evidence.add_rejection(lost.rejection())
    assert evidence.deleted_unread == {lost}
    assert evidence.rejections == {}
    assert _rejected(evidence) == []
    rerating = DeletedUnread("recurator", "candidates", 2, 40, 3)
    assert evidence.add_rejection(rerating.rejection())
    assert evidence.deleted_unread == {lost}, "a re-rating that missed a candidate lost none"


@pytest.mark.parametrize(
    "id",
    [
        *("documents", "documents/0", "/0@1", "documents/x@1", "documents/0@"),
        *(f"documents/{2**31}@0", f"documents/0@{2**63}"),
    ],
)
def test_a_loss_without_a_position_makes_no_sense(id: str, evidence: Evidence) -> None:
    assert not evidence.add_rejection(_rejection("segmenter", id, "deleted_unread"))
