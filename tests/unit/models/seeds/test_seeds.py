"""Readers for published human pairs."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from models.seeds.formats import Turns, read_pairs
from schemas.errors import SourceError
from schemas.records import Example, ExampleOrigin


def _message(text: str, role: str, *replies: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"text": text, "role": role, "replies": list(replies), **fields}


_TREE = {
    "message_tree_id": "1",
    "prompt": _message(
        "Name a bird.",
        "prompter",
        _message("A stone.", "assistant", rank=2),
        _message(
            "A wren.",
            "assistant",
            _message("And a larger one?", "prompter", _message("A heron.", "assistant", rank=None)),
            _message("Spam", "prompter", _message("No.", "assistant", rank=0), deleted=True),
            _message("Thanks", "prompter"),
            rank=0,
        ),
        _message("A bat.", "assistant", rank=-1, review_result=False),
    ),
}


def _read(tmp_path: Path, *rows: Any, turns: Turns = Turns.FIRST) -> list[Example | SourceError]:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return list(read_pairs(file, turns))


@pytest.mark.parametrize(
    ("row", "pair"),
    [
        (
            {"instruction": " Ask ", "context": "Given", "response": "Answer", "category": "x"},
            ("Ask", "Given", "Answer"),
        ),
        ({"instruction": "Ask", "context": "", "response": "Answer"}, ("Ask", None, "Answer")),
        ({"instruction": "Ask", "input": "Given", "output": "Answer"}, ("Ask", "Given", "Answer")),
        ({"instruction": "Ask", "output": "Answer"}, ("Ask", None, "Answer")),
    ],
)
def test_dolly_and_alpaca(
    tmp_path: Path, row: dict[str, str], pair: tuple[str, str | None, str]
) -> None:
    (seed,) = _read(tmp_path, row)
    assert isinstance(seed, Example)
    assert (seed.instruction, seed.context, seed.response) == pair
    assert seed.origin is ExampleOrigin.SEED


def test_self_instruct_gives_a_pair_for_each_instance(tmp_path: Path) -> None:
    row = {
        "instruction": "Add.",
        "instances": [{"input": "1 1", "output": "2"}, {"input": "", "output": "0"}],
    }
    assert [(s.context, s.response) for s in _read(tmp_path, row) if isinstance(s, Example)] == [
        ("1 1", "2"),
        (None, "0"),
    ]


def test_a_tree_gives_the_best_reply_that_people_let_stand(tmp_path: Path) -> None:
    (seed,) = _read(tmp_path, _TREE)
    assert isinstance(seed, Example)
    assert (seed.instruction, seed.context, seed.response) == ("Name a bird.", None, "A wren.")


def test_a_tree_gives_what_follows_with_what_was_said(tmp_path: Path) -> None:
    first, second = (s for s in _read(tmp_path, _TREE, turns=Turns.ALL) if isinstance(s, Example))
    assert first.response == "A wren."
    assert (second.instruction, second.response) == ("And a larger one?", "A heron.")
    assert second.context == "User: Name a bird.\n\nAssistant: A wren."


def test_the_same_pair_has_the_same_id(tmp_path: Path) -> None:
    row = {"instruction": "Ask", "response": "Answer"}
    one, other = _read(tmp_path, row, {**row, "category": "y"})
    assert isinstance(one, Example)
    assert isinstance(other, Example)
    assert one.id == other.id


@pytest.mark.parametrize(
    "row",
    [
        [],
        3,
        {"text": "a"},
        {"instruction": "a", "response": 3},
        {"instruction": "", "response": "b"},
    ],
)
def test_a_line_that_is_none_is_named_and_the_next_is_read(tmp_path: Path, row: Any) -> None:
    error, seed = _read(tmp_path, row, {"instruction": "Ask", "response": "Answer"})
    assert isinstance(error, SourceError)
    assert "rows.jsonl:1" in str(error)
    assert isinstance(seed, Example)


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"instruction": "Ask \\ud800", "response": "Answer"}',
        b'{"instruction": "Ask", "response": ' + b"9" * 5000 + b"}",
    ],
    ids=["deep", "half a surrogate pair", "digits"],
)
def test_a_line_that_json_stumbles_over_is_named(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(line + b'\n{"instruction": "Ask", "response": "Answer"}\n')
    error, seed = read_pairs(file)
    assert isinstance(error, SourceError)
    assert "rows.jsonl:1" in str(error)
    assert isinstance(seed, Example)


def test_damaged_gzip_is_an_error(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b'{"instruction": "Ask", "response": "Answer"}\n'))
    packed[12:20] = b"\xff" * 8
    (tmp_path / "rows.jsonl.gz").write_bytes(packed)
    (error,) = read_pairs(tmp_path / "rows.jsonl.gz")
    assert isinstance(error, SourceError)


def test_gzip_and_what_cannot_be_read(tmp_path: Path) -> None:
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(b'{"instruction": "Ask", "response": "Answer"}\n'))
    assert len(list(read_pairs(packed))) == 1
    packed.write_bytes(packed.read_bytes()[:-9])
    for file in (packed, tmp_path / "nowhere.jsonl"):
        (error,) = read_pairs(file)
        assert isinstance(error, SourceError)
        assert file.name in str(error)
