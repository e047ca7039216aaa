"""Examples as Open-Assistant's message trees."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from models.seeds.formats import make_seed
from schemas.errors import BackstreamError
from schemas.records import Example, ExampleOrigin, Provenance, Rating, Turn
from streams.data.trees import write_messages, write_trees


def _said(*texts: str) -> tuple[Turn, ...]:
    roles = ("user", "assistant") * len(texts)
    return tuple(Turn(role=role, text=text) for role, text in zip(roles, texts, strict=False))  # type: ignore[arg-type]


def _made(number: int, score: float, **fields: Any) -> Example:
    values: dict[str, Any] = {
        "id": str(number),
        "instruction": "And a larger one?",
        "response": f"Reply {number}.",
        "turns": _said("Name a bird.", "A wren."),
        "origin": ExampleOrigin.AUGMENTED,
        "rating": Rating(score=score, probabilities=(0, 0, 0, 0, 1), release="r-2", template="t"),
        "provenance": Provenance(segment_id="s", release="r-1", language="en"),
    }
    return Example(**{**values, **fields})


_EXAMPLES = [
    make_seed("Name a bird.", None, "A wren."),
    _made(1, 4.0),
    _made(2, 5.0),
    _made(3, 4.5, turns=(), instruction="Name a fish.", context="Of the sea."),
]


def _trees(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_examples_share_their_messages_and_replies_are_ranked(tmp_path: Path) -> None:
    assert write_trees(_EXAMPLES, tmp_path / "out.jsonl") == 4
    bird, fish = _trees(tmp_path / "out.jsonl")
    root = bird["prompt"]
    assert bird["message_tree_id"] == root["message_id"]
    assert (root["text"], root["role"], root["parent_id"]) == ("Name a bird.", "prompter", None)
    assert (root["synthetic"], root["model_name"]) == (False, "")
    [wren] = root["replies"]
    assert (wren["text"], wren["role"], wren["rank"]) == ("A wren.", "assistant", 0)
    [larger] = wren["replies"]
    assert (larger["synthetic"], larger["model_name"], larger["lang"]) == (True, "r-1", "en")
    assert [(r["text"], r["rank"], r["synthetic"]) for r in larger["replies"]] == [
        ("Reply 2.", 0, False),
        ("Reply 1.", 1, False),
    ]
    assert fish["prompt"]["text"] == "Name a fish.\n\nOf the sea."


def test_messages_name_their_parents_which_come_first(tmp_path: Path) -> None:
    write_messages(_EXAMPLES, tmp_path / "out.parquet")
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    seen: set[str] = set()
    for row in rows:
        assert row["parent_id"] is None or row["parent_id"] in seen
        assert row["message_id"] not in seen
        assert row["message_tree_id"] in seen | {row["message_id"]}
        seen.add(row["message_id"])
    assert Counter(row["role"] for row in rows) == {"prompter": 3, "assistant": 4}


def test_the_same_messages_have_the_same_ids_in_any_order(tmp_path: Path) -> None:
    def ids(examples: list[Example]) -> set[str]:
        write_messages(examples, tmp_path / "out.parquet")
        return {
            row["message_id"] for row in parquet.read_table(tmp_path / "out.parquet").to_pylist()
        }

    assert ids(_EXAMPLES) == ids(_EXAMPLES[::-1])


def test_a_human_message_stays_human_whatever_else_has_it(tmp_path: Path) -> None:
    later = _made(1, 4.0, turns=(), instruction="Name a bird.", response="A heron.")
    for examples in ([_EXAMPLES[0], later], [later, _EXAMPLES[0]]):
        write_trees(examples, tmp_path / "out.jsonl")
        [tree] = _trees(tmp_path / "out.jsonl")
        assert tree["prompt"]["synthetic"] is False
        assert [r["text"] for r in tree["prompt"]["replies"]] == ["A wren.", "A heron."]


def test_what_a_model_answered_is_said(tmp_path: Path) -> None:
    answered = _made(1, 4.0, provenance=Provenance(generator="answerer", release="r-1"))
    write_trees([answered], tmp_path / "out.jsonl")
    [tree] = _trees(tmp_path / "out.jsonl")
    [reply] = tree["prompt"]["replies"][0]["replies"][0]["replies"]
    assert (reply["synthetic"], reply["model_name"]) == (True, "r-1")


def test_a_conversation_that_is_too_deep_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    deep = _made(1, 4.0, turns=_said(*(f"t{n}" for n in range(400))))
    with pytest.raises(BackstreamError, match="more than 256 messages"):
        write_trees([deep], tmp_path / "out.jsonl")
    assert list(tmp_path.iterdir()) == []
    assert write_messages([deep], tmp_path / "out.parquet") == 1
