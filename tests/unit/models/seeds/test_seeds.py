"""Readers for published human pairs."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from models.seeds.formats import Turns, read_pairs
from schemas.errors import SourceError
from schemas.records import Example, ExampleOrigin
from schemas.text import Warned


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


def _read(
    tmp_path: Path, *rows: Any, turns: Turns = Turns.FIRST
) -> list[Example | SourceError | Warned]:
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
    assert "rows.jsonl#1" in str(error)
    assert isinstance(seed, Example)


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"instruction": "Ask", "response": ' + b"9" * 5000 + b"}",
    ],
    ids=["deep", "digits"],
)
def test_a_line_that_json_stumbles_over_is_named(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(line + b'\n{"instruction": "Ask", "response": "Answer"}\n')
    error, seed = read_pairs(file)
    assert isinstance(error, SourceError)
    assert "rows.jsonl#1" in str(error)
    assert isinstance(seed, Example)


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Ask", "completion": "Answer"},
        {"prompt": "Ask", "response": "Answer"},
        {"question": "Ask", "answer": "Answer"},
        {"instruction": "Ask", "input": "<noinput>", "output": "Answer"},
        {"instruction": "Ask", "input": float("nan"), "output": "Answer"},
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Ask"},
                {"role": "assistant", "content": "Answer"},
            ]
        },
        {"conversations": [{"from": "human", "value": "Ask"}, {"from": "gpt", "value": "Answer"}]},
        {
            "prompt": [{"role": "user", "content": "Ask"}],
            "completion": [{"role": "assistant", "content": "Answer"}],
        },
    ],
    ids=lambda row: " ".join(row),
)
def test_other_shapes_of_a_pair(tmp_path: Path, row: dict[str, Any]) -> None:
    (seed,) = _read(tmp_path, row)
    assert isinstance(seed, Example)
    assert (seed.instruction, seed.context, seed.response) == ("Ask", None, "Answer")


def test_a_chat_gives_what_follows_with_what_was_said(tmp_path: Path) -> None:
    texts = ("One?", "1", "Two?", "2")
    messages = [
        {"role": role, "content": text}
        for role, text in zip(("user", "assistant") * 2, texts, strict=True)
    ]
    _, second = _read(tmp_path, {"messages": messages}, turns=Turns.ALL)
    assert isinstance(second, Example)
    assert (second.instruction, second.response) == ("Two?", "2")
    assert second.context == "User: One?\n\nAssistant: 1"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"instruction": "Draw.", "output": "<nooutput>"}, "no instruction with a response"),
        ({"instruction": "Ask", "input": "N/A", "output": "N/A"}, "no instruction"),
        ({"text": "a", "label": 1}, "its fields are text, label"),
        ({"messages": [{"role": "user"}]}, "no 'value'"),
        (
            {
                "message_tree_id": "1",
                "prompt": _message(
                    "Ask", "prompter", _message("Made", "assistant", rank=0, synthetic=True)
                ),
            },
            "people wrote",
        ),
    ],
)
def test_a_row_that_is_no_human_pair_is_said_to_be_none(
    tmp_path: Path, row: dict[str, Any], says: str
) -> None:
    (error,) = _read(tmp_path, row)
    assert isinstance(error, SourceError)
    assert says in str(error)


def test_a_list_is_read_like_lines(tmp_path: Path) -> None:
    rows = [{"instruction": f"Ask {i}", "input": "", "output": "Answer"} for i in range(2)]
    file = tmp_path / "alpaca_data.json"
    file.write_text(json.dumps(rows, indent=4))
    assert [s.instruction for s in read_pairs(file) if isinstance(s, Example)] == ["Ask 0", "Ask 1"]


def test_bytes_are_read_as_everywhere(tmp_path: Path) -> None:
    row = b'{"instruction": "Ask", "response": "%s"}\n'
    data = b"\xef\xbb\xbf" + row % b"caf\xe9" + row % rb"half \ud800" + row % b"d\xc3\xa9j\xc3\xa0"
    file = tmp_path / os.fsdecode(b"r\xf6ws.jsonl.gz")
    file.write_bytes(gzip.compress(data) + b"what follows")
    *seeds, warning = read_pairs(file)
    assert [seed.response for seed in seeds if isinstance(seed, Example)] == [
        "caf\ufffd",
        "half \ufffd",
        "déjà",
    ]
    assert isinstance(warning, Warned)
    assert "r\\xf6ws.jsonl.gz" in warning.message


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
