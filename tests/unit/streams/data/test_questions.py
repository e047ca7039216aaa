"""Reading questions: lines, rows, chats, ids, and what is not one."""

import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import SourceError
from schemas.ids import question_id
from schemas.records import Question, Turn
from schemas.text import PassedOver
from streams.data.questions import read_questions


def _read(path: Path, content: str | bytes | None = None) -> list[object]:
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_questions([str(path)]))


def _asked(found: Sequence[object]) -> list[str]:
    return [one.instruction for one in found if isinstance(one, Question)]


def _errors(found: Sequence[object]) -> list[str]:
    return [str(one) for one in found if isinstance(one, SourceError)]


def test_each_line_of_a_text_is_a_question(tmp_path: Path) -> None:
    file = tmp_path / "q.txt"
    found = _read(file, "\ufeffWhy is the sky blue?\n\n  ¿Cuántos son?  \r\n为什么？")
    assert _asked(found) == ["Why is the sky blue?", "¿Cuántos son?", "为什么？"]
    assert isinstance(found[1], Question)
    assert found[1].source == f"{file}#3"
    assert found[1].id == question_id("¿Cuántos son?", None)
    assert _asked(_read(tmp_path / "q.txt.gz", gzip.compress(b"What?\nWho?\n"))) == [
        "What?",
        "Who?",
    ]
    for charset in ("utf-16", "utf-8-sig"):  # with a byte order mark
        assert _asked(_read(file, "What?\r\n什么？".encode(charset))) == ["What?", "什么？"]


@pytest.mark.parametrize(
    ("row", "instruction", "context"),
    [
        ({"instruction": "Add.", "context": "1 and 2", "response": "3"}, "Add.", "1 and 2"),
        ({"instruction": "Add.", "input": "1 and 2", "output": "3"}, "Add.", "1 and 2"),
        ({"instruction": "Add.", "input": "<noinput>"}, "Add.", None),
        ({"question": "Why?", "answer": "So."}, "Why?", None),
        ({"prompt": "Why?", "completion": "So."}, "Why?", None),
        ({"input": "Why?", "output": "So."}, "Why?", None),
        ({"text": "Why?"}, "Why?", None),
        ({"instruction": "Why?", "context": None, "id": 7}, "Why?", None),
    ],
)
def test_rows_of_data_sets(
    tmp_path: Path, row: dict[str, object], instruction: str, context: str | None
) -> None:
    (found,) = _read(tmp_path / "q.jsonl", json.dumps(row))
    assert isinstance(found, Question)
    assert (found.instruction, found.context) == (instruction, context)
    assert found.id == question_id(instruction, context)


def test_a_row_may_name_its_category_and_its_id(tmp_path: Path) -> None:
    rows = [
        {"question": "Why?", "category": "Open QA", "id": "q-1"},
        {"question": "Who?", "category": "poetry"},
    ]
    one, other = _read(tmp_path / "q.json", json.dumps(rows))
    assert isinstance(one, Question)
    assert isinstance(other, Question)
    assert (one.id, one.category) == ("q-1", "open_qa")
    assert (other.id, other.category) == (question_id("Who?", None), None)


def test_an_id_stands_for_one_question(tmp_path: Path) -> None:
    rows = [{"question": text, "id": "q"} for text in ("Why?", "Why?", "Who?")]
    found = _read(tmp_path / "q.json", json.dumps(rows))
    assert _asked(found) == ["Why?", "Why?"]
    (error,) = _errors(found)
    assert error.endswith("its id 'q' is that of another question: change it, or leave it out")


def test_the_inputs_of_self_instruct_are_questions_each(tmp_path: Path) -> None:
    row = {
        "id": "seed_task_1",
        "instruction": "Add.",
        "instances": [{"input": "1, 2", "output": "3"}, {"input": "", "output": "0"}],
    }
    found = _read(tmp_path / "q.jsonl", json.dumps(row))
    assert [(one.instruction, one.context) for one in found if isinstance(one, Question)] == [
        ("Add.", "1, 2"),
        ("Add.", None),
    ]
    assert len({one.id for one in found if isinstance(one, Question)}) == 2


def test_the_last_message_of_a_user_is_the_question(tmp_path: Path) -> None:
    said = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": "So."},
    ]
    sharegpt = [{"from": "human", "value": "Why?"}]
    rows = [{"messages": said}, {"conversations": sharegpt}, {"messages": said[:1]}]
    found = _read(tmp_path / "q.jsonl", "\n".join(map(json.dumps, rows)))
    assert _asked(found) == ["Why?", "Why?"]
    assert isinstance(found[0], Question)
    assert found[0].turns == (Turn(role="user", text="Hi"), Turn(role="assistant", text="Hello!"))
    assert found[0].id != question_id("Why?", None)
    (error,) = _errors(found)
    assert "no question in it: its fields are messages" in error


def test_tables(tmp_path: Path) -> None:
    assert _asked(_read(tmp_path / "q.csv", 'question,answer\n"Why, oh why?",So\nWho?,I\n')) == [
        "Why, oh why?",
        "Who?",
    ]
    pq.write_table(
        pa.table({"instruction": ["Why?"], "context": ["It is."]}), tmp_path / "q.parquet"
    )
    (found,) = _read(tmp_path / "q.parquet")
    assert isinstance(found, Question)
    assert (found.instruction, found.context) == ("Why?", "It is.")
    (error,) = _errors(_read(tmp_path / "other.csv", "name,age\nA,1\n"))
    assert "no column of name, age holds questions" in error


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("q.jsonl", b'{"question": "Why?"\n', "not JSON"),
        ("q.jsonl", b'["Why?"]\n', "it is list, not an object"),
        ("q.jsonl", b'{"answer": "So."}\n', "no question in it: its fields are answer"),
        ("q.jsonl", b'{"question": 3}\n', "no question in it"),
        ("q.jsonl", b'{"messages": [3]}\n', "its fields do not hold what their names say"),
        (
            "q.jsonl",
            json.dumps({"question": "Why?", "id": "x" * 300}).encode(),
            "not a question: id",
        ),
        ("q.txt", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "PNG"),
        ("q.html", b"<p>Why?</p>", "questions are read from text with one a line"),
        ("q.jsonl", b"", "no line in it"),
    ],
)
def test_what_is_no_question_is_named(
    tmp_path: Path, name: str, content: bytes, error: str
) -> None:
    found = _read(tmp_path / name, content)
    assert not _asked(found)
    assert error in _errors(found)[0]


def test_a_missing_file_and_a_directory(tmp_path: Path) -> None:
    assert "no such file" in _errors(_read(tmp_path / "missing.txt"))[0]
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("Why?\n")
    (folder / "b.jsonl").write_text('{"question": "Who?"}\n')
    (folder / "c.png").write_bytes(b"\x89PNG")
    found = list(read_questions([str(folder)]))
    assert _asked(found) == ["Why?", "Who?"]
    assert [one.reason for one in found if isinstance(one, PassedOver)] == [".png file"]


@pytest.mark.parametrize(
    ("content", "questions"),
    [
        (b"Why?\nWho?\n", ["Why?", "Who?"]),
        (b'{"question": "Why?"}\n{"question": "Who?"}\n', ["Why?", "Who?"]),
        (b' [ {"question": "Why?"} ]', ["Why?"]),
    ],
)
def test_standard_input_is_lines_or_json(
    monkeypatch: pytest.MonkeyPatch, content: bytes, questions: list[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert _asked(list(read_questions(["-"]))) == questions
