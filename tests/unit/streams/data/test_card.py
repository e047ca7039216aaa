"""The card of an export: correct counts, readable by Hugging Face, deterministic."""

import dataclasses
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.records import (
    Decision,
    Example,
    ExampleOrigin,
    Original,
    Preference,
    Provenance,
    Rating,
    Ruling,
    Side,
)
from schemas.release import Release, ReleaseStatus
from schemas.ruling import Action
from streams.data.card import Export, card, card_path, write_card
from streams.data.decisions import candidate_of
from streams.data.exports import Shape
from streams.data.preference_card import preference_card
from streams.data.selection import Selection

EXPORT = Export(Path("data/curated.jsonl"), Shape.CHAT, None, date(2026, 11, 21))
SEED = Example(id="s", instruction="Say it.", response="It.", origin=ExampleOrigin.SEED)


def example(number: int, score: float, release: str = "house-1", rater: str = "house-1") -> Example:
    return Example(
        id=f"{number}",
        instruction="Why?",
        context="Given." if number % 2 else None,
        response="So.",
        origin=ExampleOrigin.AUGMENTED,
        rating=Rating(
            score=score,
            probabilities=(0, 0, 0, 0.5, 0.5),
            release=rater,
            template="rating.markers.1",
        ),
        provenance=Provenance(
            source=f"{number // 2}.txt",
            document_id=f"{number}",
            release=release,
            template="backward.markers.1",
        ),
        threshold=4.0,
    )


def release(id: str, base: str) -> Release:
    return Release(
        id=id, parent=None, base=base, status=ReleaseStatus.KEPT, location="here", created_at=1.0
    )


EXAMPLES = [SEED, *(example(number, 4 + number / 4) for number in range(5))]


def test_it_counts_what_is_there() -> None:
    text = card(EXPORT, EXAMPLES, [])
    for line in (
        "| all | 6 |",
        "| written by people (seeds) | 1 |",
        "| written by the loop (augmented) | 5 |",
        "| with a context | 2 |",
        "They come from 3 sources and 5 documents.",
        "| house-1 | 5 |",
        "| backward.markers.1 | 5 |",
        "| rating.markers.1 | 5 |",
        "| 0% | 4.00 |",
        "| 50% | 4.50 |",
        "| 100% | 5.00 |",
    ):
        assert line in text.splitlines()
    assert "The curator applied one limit to all of them: rated 4 or more." in text
    assert "Exported on 2026-11-21 to `curated.jsonl`, in the shape `chat`" in text


def test_it_says_how_many_responses_were_rewritten_and_who_wrote_the_instructions() -> None:
    assert "rewrote" not in card(EXPORT, EXAMPLES, [])
    one = EXAMPLES[1]
    assert one.rating is not None
    original = Original(
        id="o", response="So.", rating=one.rating, release="house-1", template="backward.markers.1"
    )
    made = one.provenance.model_copy(update={"release": "other-1", "original": original})
    text = card(EXPORT, [one.model_copy(update={"provenance": made})], [])
    assert "| with a response that a model rewrote | 1 |" in text.splitlines()
    assert "| house-1 | 1 |" in text.splitlines()
    assert "other-1" not in text


def test_it_states_acceptance_and_estimated_precision() -> None:
    rated = [
        each.model_copy(update={"rating": each.rating.model_copy(update={"precision": precision})})
        for each, precision in zip(EXAMPLES[1:], (0.8, 0.85, 0.9, None, None), strict=True)
        if each.rating
    ]
    export = dataclasses.replace(EXPORT, acceptance="30% are accepted")
    text = card(export, rated, [])
    assert "\nBy the settings of this export, 30% are accepted.\n" in text
    assert "as the lowest of 3 of these, an estimated 80% deserve a 4 or 5" in text


def test_it_names_the_limits_that_were_applied() -> None:
    limits: list[dict[str, Any]] = [
        {"threshold": 4.5},
        {"threshold": 4.5},
        {"threshold": 3.5},
        {"threshold": None, "target_precision": 0.8},
        {"threshold": None},
    ]
    kept = [each.model_copy(update=limit) for each, limit in zip(EXAMPLES[1:], limits, strict=True)]
    text = card(EXPORT, [SEED, *kept], [])
    for line in (
        "The curator applied several limits to them:",
        "| rated 4.5 or more | 2 |",
        "| rated 3.5 or more | 1 |",
        "| rated so high that an estimated 80% of such pairs deserve a 4 or 5 | 1 |",
        "| none, or not recorded | 1 |",
    ):
        assert line in text.splitlines()
    assert "limit" not in card(EXPORT, [SEED], [])


def test_its_front_matter_is_what_hugging_face_reads() -> None:
    _, front, _ = card(replace(EXPORT, license="a: b"), EXAMPLES, []).split("---\n", 2)
    facts = yaml.safe_load(front)
    assert facts["license"] == "a: b"
    assert facts["size_categories"] == ["n<1K"]
    assert facts["configs"] == [{"config_name": "default", "data_files": "curated.jsonl"}]
    assert "language" not in facts


def test_it_says_what_was_applied() -> None:
    assert "What was applied" not in card(EXPORT, EXAMPLES, [])
    export = replace(
        EXPORT,
        filters=Selection(min_score=4.0, languages=("en", "de")).described(),
        before=1234,
        sides={"train": ["data/train.parquet"], "test": ["data/test.parquet"]},
        counts={"train": 5, "test": 1},
        left_out=2,
        share=0.8,
    )
    text = card(export, EXAMPLES, [])
    assert "The export has the 6 of 1,234 examples with:\n\n- a rating of 4 or more" in text
    assert "\n- language `en` or `de`\n" in text
    assert "with 0.8 of these for training: 5 in `train`, 1 in `test`. 2 are on neither" in text
    facts = yaml.safe_load(text.split("---\n")[1])
    (files,) = (each["data_files"] for each in facts["configs"])
    assert files == [
        {"split": "train", "path": ["data/train.parquet"]},
        {"split": "test", "path": ["data/test.parquet"]},
    ]


def test_it_counts_what_people_decided() -> None:
    candidate = candidate_of(EXAMPLES[1])
    actions: list[Action] = ["drop", "drop", "accept", "undo"]
    decisions = [
        Decision(candidate=candidate, ruling=Ruling(action=action, by="ada")) for action in actions
    ]
    text = card(EXPORT, EXAMPLES, [], decisions)
    assert "| accepted | 1 |\n| dropped | 2 |" in text
    assert "ada" not in text, "a card may be published"


def test_nobody_is_said_to_have_written_what_is_not_there() -> None:
    assert "## Who wrote the instructions\n\nThere is none.\n" in card(EXPORT, [], [])
    assert "## Who wrote the instructions\n\nPeople alone.\n" in card(EXPORT, [SEED], [])


def test_its_samples_cannot_leave_their_block() -> None:
    wild = SEED.model_copy(update={"response": "```\n---\n# Not a heading\n" + "long " * 500})
    text = card(EXPORT, [wild, *EXAMPLES[1:]], [])
    assert "\n    # Not a heading\n" in text
    assert "\n# Not a heading" not in text
    assert text.count("rated ") >= 2
    assert len(text) < 5000


def test_preference_pairs_have_a_card_too() -> None:
    rating = EXAMPLES[1].rating
    assert rating is not None
    side = Side(id="1", text="So.", rating=rating)
    pair = Preference(
        id="1.forward", example_id="1", task="forward", prompt="Why?", chosen=side, rejected=side,
        margin=0.5,
    )  # fmt: skip
    text = preference_card(replace(EXPORT, shape="dpo"), [pair], [])
    assert "| forward | 1 |" in text
    assert "| 50% | 0.50 |" in text
    assert "CC BY-SA 3.0" in text
    assert "There is none." in preference_card(EXPORT, [], [])


def test_hugging_face_reads_it() -> None:
    from huggingface_hub import DatasetCard

    read: Any = DatasetCard(card(EXPORT, EXAMPLES, []), ignore_metadata_errors=False)
    assert (read.data.license, read.data.size_categories) == ("unknown", ["n<1K"])
    assert "has given none: `backstream export --license`" in read.text
    given = DatasetCard(card(replace(EXPORT, license="cc-by-4.0"), EXAMPLES, []))
    assert "`cc-by-4.0`, as whoever exported it says." in given.text


@pytest.mark.parametrize(
    ("count", "size"), [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (12_000, "10K<n<100K")]
)
def test_its_size_is_a_class_of_hugging_faces(count: int, size: str) -> None:
    assert f"- {size}\n" in card(EXPORT, [SEED] * count, [])


def test_the_same_examples_make_the_same_card_but_for_the_date() -> None:
    later = replace(EXPORT, on=date(2027, 1, 1))
    assert card(EXPORT, EXAMPLES, []) == card(EXPORT, EXAMPLES, [])
    assert card(EXPORT, EXAMPLES, []) == card(later, EXAMPLES, []).replace(
        "2027-01-01", "2026-11-21"
    )


@pytest.mark.parametrize(
    ("writer", "rater", "from_house"),
    [
        ("house-1", "other-1", True),
        ("other-1", "house-1", True),
        ("r-1", "other-1", True),
        ("r-2", "r-2", False),
        ("r-3", "r-3", False),
        ("other-1", "housekeeper-1", False),
    ],
)
def test_what_came_from_the_house_model_says_so(writer: str, rater: str, from_house: bool) -> None:
    releases = [release("r-1", "house-1"), release("r-2", "other-1")]  # of r-3 nothing is known
    text = card(EXPORT, [example(1, 4.5, writer, rater)], releases)
    assert ("CC BY-SA 3.0" in text) == from_house
    assert "the licence of each text holds" in text


def test_without_examples_or_ratings_there_is_a_card_too() -> None:
    for examples in ([], [SEED]):
        text = card(EXPORT, examples, [])
        assert ("People alone." in text) == bool(examples)
        assert "quantile" not in text
        assert "CC BY-SA" not in text


def test_it_lies_beside_the_file_and_is_no_readme(tmp_path: Path) -> None:
    for name, beside in (
        ("a.jsonl", "a.card.md"),
        ("README.parquet", "README.card.md"),
        ("v1.2.jsonl", "v1.2.card.md"),
    ):
        assert card_path(tmp_path / name) == tmp_path / beside
    export = replace(EXPORT, file=tmp_path / "a.jsonl")
    text = card(export, EXAMPLES, [])
    assert write_card(text, card_path(export.file)).read_text() == text


def test_languages_are_in_the_metadata_the_most_frequent_first() -> None:
    made = [
        SEED.model_copy(update={"id": f"{number}", "provenance": Provenance(language=language)})
        for number, language in enumerate(["fr", "en", "en", None])
    ]
    assert yaml.safe_load(card(EXPORT, made, []).split("---")[1])["language"] == ["en", "fr"]
    assert "language" not in yaml.safe_load(card(EXPORT, [SEED], []).split("---")[1])
