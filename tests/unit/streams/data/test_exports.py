"""Examples as files: five shapes, two formats, and files that appear whole or not at all."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.json
import pytest
from pyarrow import parquet

from schemas.errors import BackstreamError
from schemas.records import Example, ExampleOrigin, Provenance, Rating, Turn
from streams.data.exports import Shape, columns, json_line, row, write_jsonl, write_parquet

RATING = Rating(
    score=4.5, probabilities=(0, 0, 0, 0.5, 0.5), release="r1", template="rating.markers.1"
)
MADE = Provenance(source="a.txt", document_id="d", segment_id="s", release="r1", language="en")
BARE = Example(id="1", instruction="Say it.", response="Déjà \u2028 vu.", origin=ExampleOrigin.SEED)
FULL = Example(
    id="2",
    instruction="Sum it up.",
    context="Long text.",
    response="Short.",
    origin=ExampleOrigin.AUGMENTED,
    rating=RATING,
    provenance=MADE,
)
LATER = FULL.model_copy(
    update={
        "id": "3",
        "turns": (Turn(role="user", text="Read it."), Turn(role="assistant", text="Done.")),
    }
)
Write = Callable[[Iterator[Example], Path, Shape], int]


def read_back(path: Path, write: Write) -> list[dict[str, object]]:
    if write is write_parquet:
        return list(parquet.read_table(path).to_pylist())
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def test_triples_carry_everything() -> None:
    assert row(FULL, Shape.TRIPLES) == {
        "id": "2",
        "instruction": "Sum it up.",
        "context": "Long text.",
        "response": "Short.",
        "origin": "augmented",
        "score": 4.5,
        "category": None,
        "confidence": None,
        "generator": "backward",
        "release": "r1",
        "source": "a.txt",
        "document_id": "d",
        "segment_id": "s",
        "language": "en",
        "turns": [],
    }
    assert row(BARE, Shape.TRIPLES)["context"] is None
    assert row(BARE, Shape.TRIPLES)["score"] is None
    assert row(BARE, Shape.TRIPLES)["generator"] == "", "people wrote it"
    known = FULL.model_copy(update={"category": "summarization", "confidence": 0.75})
    assert row(known, Shape.TRIPLES) | {"category": "summarization", "confidence": 0.75} == row(
        known, Shape.TRIPLES
    )


_COMMON = {"id": "2", "source": "a.txt", "score": 4.5}


@pytest.mark.parametrize("shape", Shape)
def test_every_shape_has_id_source_and_score(shape: Shape) -> None:
    assert row(FULL, shape).items() >= _COMMON.items()
    assert {"id", "source", "score"} <= set(columns(shape).names)
    assert columns(shape).names == list(row(FULL, shape))
    assert columns(shape, True).names == list(row(FULL, shape, True))


@pytest.mark.parametrize("write", [write_jsonl, write_parquet])
def test_evidence_is_written_on_request(
    tmp_path: Path, write: Callable[[list[Example], Path, Shape, bool], int]
) -> None:
    judged = RATING.model_copy(update={"evidence": {"digit": 4.0}, "precision": 0.9})
    path = tmp_path / "file"
    write([FULL.model_copy(update={"rating": judged}), FULL, BARE], path, Shape.TRIPLES, True)
    found = read_back(path, write)  # type: ignore[arg-type]
    assert found[0]["probabilities"] == [0, 0, 0, 0.5, 0.5]
    precisions = [each["precision"] for each in found]
    if write is write_parquet:
        assert precisions == [0.9, None, None]
        assert found[0]["evidence"] == [{"name": "digit", "value": 4.0}]
        assert found[2]["evidence"] is None
    else:
        assert precisions == [0.9, 0, 0]
        assert [each["evidence"] for each in found] == ['{"digit": 4.0}', "{}", "{}"]


@pytest.mark.parametrize("with_evidence", [False, True])
def test_columns_of_json_lines_have_one_type_whatever_is_absent(
    tmp_path: Path, with_evidence: bool
) -> None:
    schemas = []
    every = {"bare": [BARE], "full": [FULL], "both": [BARE, FULL], "later": [LATER]}
    for name, examples in every.items():
        write_jsonl(examples, tmp_path / name, Shape.TRIPLES, with_evidence)
        schemas.append(pyarrow.json.read_json(tmp_path / name).schema)
    assert schemas[0] == schemas[1] == schemas[2] == schemas[3]
    assert not any(pyarrow.types.is_null(field.type) for field in schemas[0])


def test_alpaca_has_no_null() -> None:
    assert row(BARE, Shape.ALPACA) == {
        "instruction": "Say it.",
        "input": "",
        "output": BARE.response,
        "id": "1",
        "source": "",
        "score": None,
    }
    assert row(FULL, Shape.ALPACA)["input"] == "Long text."


def test_chat_puts_the_context_after_the_instruction() -> None:
    assert row(FULL, Shape.CHAT) == {
        "messages": [
            {"role": "user", "content": "Sum it up.\n\nLong text."},
            {"role": "assistant", "content": "Short."},
        ],
        **_COMMON,
    }
    assert row(BARE, Shape.CHAT)["messages"][0]["content"] == "Say it."  # type: ignore[index]


def test_every_shape_has_the_earlier_turns() -> None:
    said = [{"role": "user", "content": "Read it."}, {"role": "assistant", "content": "Done."}]
    assert row(LATER, Shape.TRIPLES)["turns"] == said
    assert json.loads(json.loads(json_line(LATER, Shape.TRIPLES))["turns"]) == said
    own = row(FULL, Shape.CHAT)["messages"]
    assert row(LATER, Shape.CHAT)["messages"] == [*said, *own]  # type: ignore[misc]
    assert row(LATER, Shape.PROMPT_COMPLETION)["prompt"] == [*said, own[0]]  # type: ignore[index,misc]
    assert row(LATER, Shape.PROMPT_COMPLETION)["completion"] == [own[1]]  # type: ignore[index]
    assert row(LATER, Shape.SHAREGPT)["conversations"] == [
        {"from": "human", "value": "Read it."},
        {"from": "gpt", "value": "Done."},
        {"from": "human", "value": "Sum it up.\n\nLong text."},
        {"from": "gpt", "value": "Short."},
    ]
    assert row(LATER, Shape.ALPACA)["input"] == "User: Read it.\n\nAssistant: Done.\n\nLong text."


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize("write", [write_jsonl, write_parquet])
@pytest.mark.parametrize("count", [0, 2, 2500])
def test_what_is_written_is_read_back(
    tmp_path: Path, write: Write, shape: Shape, count: int
) -> None:
    path = tmp_path / "new" / "folder" / "out"
    examples = [(BARE, FULL, LATER)[i % 3] for i in range(count)]
    assert write(iter(examples), path, shape) == count
    expected = [row(example, shape) for example in examples]
    if write is write_jsonl:
        expected = [json.loads(json_line(example, shape)) for example in examples]
    assert read_back(path, write) == expected
    assert [item.name for item in path.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("write", [write_jsonl, write_parquet])
def test_a_failure_leaves_the_old_file(tmp_path: Path, write: Write) -> None:
    def failing() -> Iterator[Example]:
        yield BARE
        raise RuntimeError("the source failed")

    path = tmp_path / "out"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="the source failed"):
        write(failing(), path, Shape.TRIPLES)
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("write", [write_jsonl, write_parquet])
def test_what_cannot_be_written_is_said(tmp_path: Path, write: Write) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BackstreamError, match="cannot write"):
        write(iter([BARE]), tmp_path / "file" / "out", Shape.ALPACA)
    (tmp_path / "folder").mkdir()
    with pytest.raises(BackstreamError, match="cannot write"):
        write(iter([BARE]), tmp_path / "folder", Shape.ALPACA)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["file", "folder"]
