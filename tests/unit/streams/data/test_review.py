"""Pairs in the formats of Argilla and Label Studio, and people's answers back from them."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import SourceError
from schemas.records import Candidate, Provenance, Rating, Scored
from streams.data.judging import Judging
from streams.data.review import Answer, Tool, read_answers, write_pairs

PAIR = Scored(
    candidate=Candidate(
        id="a",
        instruction="Why is the sky blue?",
        context="日本",
        response="Light is scattered.",
        provenance=Provenance(source="notes.md", language="en"),
        category="open_qa",
    ),
    rating=Rating(score=4.25, probabilities=(0, 0, 0, 1, 0), release="r", template="t"),
)


def written(tool: Tool, directory: Path) -> list[Any]:
    file = directory / "pairs.json"
    assert write_pairs(tool, [PAIR], file) == 1
    return list(json.loads(file.read_text(encoding="utf-8")))


def answers(tool: Tool, directory: Path, rows: list[Any]) -> list[Answer | SourceError]:
    file = directory / "answers.json"
    file.write_text(json.dumps(rows), encoding="utf-8")
    return list(read_answers(tool, file))


def test_argilla_gets_fields_suggestions_and_the_questions(tmp_path: Path) -> None:
    [record] = written(Tool.ARGILLA, tmp_path)
    assert record["id"] == "a"
    assert record["fields"] == {
        "instruction": "Why is the sky blue?",
        "context": "日本",
        "response": "Light is scattered.",
    }
    assert record["metadata"]["score"] == 4.25
    assert record["suggestions"]["edited_response"] == {"value": "Light is scattered."}
    settings = json.loads((tmp_path / "pairs.settings.json").read_text())
    assert {*record["fields"]} <= {field["name"] for field in settings["fields"]}
    assert {*record["suggestions"]} <= {one["name"] for one in settings["questions"]}


def test_what_people_answered_in_argilla_is_read(tmp_path: Path) -> None:
    [record] = written(Tool.ARGILLA, tmp_path)
    record["responses"] = {
        "rating": [{"value": 2, "user_id": "u1"}, {"value": 5, "user_id": "u2"}],
        "decision": [{"value": "drop", "user_id": "u1"}],
        "edited_instruction": [
            {"value": "Why is the sky blue?", "user_id": "u1"},
            {"value": "Why blue?", "user_id": "u2", "status": "draft"},
            {"value": "What colours the sky?", "user_id": "u2"},
        ],
    }
    assert answers(Tool.ARGILLA, tmp_path, [record]) == [
        Answer("a", "u1", 2, "drop"),
        Answer("a", "u2", 5, instruction="What colours the sky?"),
    ]


def test_drafts_of_argilla_are_no_answers(tmp_path: Path) -> None:
    """Two records as ``to_list(flatten=True)`` of Argilla 2.8 has them; one has no answers."""
    flat = {
        "id": "a",
        "status": "pending",
        "_server_id": None,
        "instruction": "Why is the sky blue?",
        "response": "Light is scattered.",
        "score": 4.25,
        "rating.responses": [2, 5],
        "rating.responses.users": ["u1", "u2"],
        "rating.responses.status": ["submitted", "discarded"],
        "edited_response.responses": ["Light is", "So.", "Light is scattered."],
        "edited_response.responses.users": ["u3", "u2", "u1"],
        "edited_response.responses.status": ["draft", "discarded", "submitted"],
        "edited_response.suggestion": "Light is scattered.",
        "edited_response.suggestion.score": None,
        "edited_response.suggestion.agent": None,
    }
    empty = dict.fromkeys(flat) | {"id": "b", "status": "pending", "instruction": "Why?"}
    assert answers(Tool.ARGILLA, tmp_path, [flat, empty]) == [Answer("a", "u1", 2)]

    [nested] = written(Tool.ARGILLA, tmp_path)  # as ``to_json`` writes it: no status of an answer
    nested |= {"status": "pending", "responses": {"rating": [{"value": 2, "user_id": "u1"}]}}
    [refused] = answers(Tool.ARGILLA, tmp_path, [nested])
    assert "which answers are drafts: write the file with to_list(flatten=True)" in str(refused)
    nested["status"] = "completed"
    assert answers(Tool.ARGILLA, tmp_path, [nested]) == [Answer("a", "u1", 2)]


def annotation(*results: tuple[str, str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    made = [
        {"from_name": name, "to_name": "response", "type": kind, "value": value}
        for name, kind, value in results
    ]
    return {"result": made, **more}


def test_label_studio_gets_tasks_that_its_configuration_shows(tmp_path: Path) -> None:
    [task] = written(Tool.LABEL_STUDIO, tmp_path)
    assert task["data"]["id"] == "a"
    config = ET.fromstring((tmp_path / "pairs.config.xml").read_text())
    shown = {one.get("value", "")[1:] for one in config.iter("Text")}
    assert shown <= {*task["data"]}
    names = {one.get("name") for one in config.iter()}
    for result in task["predictions"][0]["result"]:
        assert {result["from_name"], result["to_name"]} <= names


def test_what_people_answered_in_label_studio_is_read(tmp_path: Path) -> None:
    [task] = written(Tool.LABEL_STUDIO, tmp_path)
    task["annotations"] = [
        annotation(
            ("rating", "rating", {"rating": 4}),
            ("edited_context", "textarea", {"text": [""]}),
            completed_by={"id": 3, "email": "ada@example.org"},
        ),
        annotation(("decision", "choices", {"choices": ["keep"]}), completed_by=7),
        annotation(("rating", "rating", {"rating": 1}), was_cancelled=True, completed_by=8),
    ]
    assert answers(Tool.LABEL_STUDIO, tmp_path, [task]) == [
        Answer("a", "ada@example.org", 4, context=""),
        Answer("a", "7", decision="keep"),
    ]


@pytest.mark.parametrize(
    "row",
    [
        {},
        [],
        {"data": {"id": "a"}, "annotations": [annotation(("rating", "rating", {"rating": 9}))]},
        {"data": {"id": "a"}, "annotations": [annotation(("decision", "choices", {}))]},
        {
            "data": {"id": "a", "response": "So."},
            "annotations": [annotation(("edited_response", "textarea", {"text": [" "]}))],
        },
    ],
)
def test_what_is_not_of_the_tool_is_named_and_the_rest_is_read(row: Any, tmp_path: Path) -> None:
    good = {"data": {"id": "b"}, "annotations": [annotation(("rating", "rating", {"rating": 3}))]}
    wrong, right = answers(Tool.LABEL_STUDIO, tmp_path, [row, good])
    assert isinstance(wrong, SourceError)
    assert "answers.json, pair 1" in str(wrong)
    assert "is not as label-studio writes it" in str(wrong)
    assert right == Answer("b", "", 3)


def test_one_wrong_answer_leaves_those_of_others_about_the_same_pair(tmp_path: Path) -> None:
    drop = ("decision", "choices", {"choices": ["drop"]})
    wrong: Any = ("decision", "choices", {"choices": []})
    task = {
        "data": {"id": "a"},
        "annotations": [
            annotation(wrong, completed_by=1),
            annotation(drop, completed_by=2),
            annotation(("rating", "rating", {"rating": 9}), completed_by=3),
        ],
    }
    found = answers(Tool.LABEL_STUDIO, tmp_path, [task])
    assert [one for one in found if isinstance(one, Answer)] == [Answer("a", "2", decision="drop")]
    assert [isinstance(one, SourceError) for one in found] == [True, False, True]
    record = {
        "id": "a",
        "rating.responses": [9, 2],
        "rating.responses.users": ["u1", "u2"],
        "rating.responses.status": ["submitted", "submitted"],
    }
    first, second = answers(Tool.ARGILLA, tmp_path, [record])
    assert isinstance(first, SourceError)
    assert second == Answer("a", "u2", 2)


@pytest.mark.parametrize("text", ["", "{}", "[1"])
def test_a_file_that_is_no_list_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "answers.json").write_text(text)
    with pytest.raises(SourceError, match=r"answers\.json"):
        list(read_answers(Tool.ARGILLA, tmp_path / "answers.json"))


class Log:
    """Takes ratings and decisions in place of the broker."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *given, **texts: self.log.append(f"{name} {texts or ''}".strip())


@pytest.mark.parametrize(
    ("answer", "done", "log"),
    [
        (Answer("a", "", 2), ["rated"], ["drop", "write"]),
        (Answer("a", "", 5), ["rated"], ["accept", "write"]),
        (Answer("a", "", 2, "keep"), ["kept", "rated"], ["accept", "write"]),
        (Answer("a", "", None, "drop", "Why?"), ["dropped"], ["drop"]),
        (
            Answer("a", "", 2, "keep", "Why?"),
            ["edited", "rated"],
            ["edit {'instruction': 'Why?'}", "write"],
        ),
        (Answer("a", ""), [], []),
    ],
)
def test_an_answer_decides_once(answer: Answer, done: list[str], log: list[str]) -> None:
    broker = Log()
    assert Judging(broker, broker, 4.0).answer(PAIR, answer, "ada") == done  # type: ignore[arg-type]
    assert broker.log == log


def _label_studio(value: dict[str, Any], name: str, kind: str) -> str:
    result = {"from_name": name, "to_name": "response", "type": kind, "value": value}
    data = {"id": "e1", "instruction": "i", "response": "r"}
    return json.dumps([{"data": data, "annotations": [{"result": [result]}]}])


def test_a_single_text_of_label_studio_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    file.write_text(_label_studio({"text": "Another answer"}, "edited_response", "textarea"))
    [answer] = read_answers(Tool.LABEL_STUDIO, file)
    assert isinstance(answer, Answer)
    assert answer.response == "Another answer"


@pytest.mark.parametrize(
    ("value", "name", "kind"),
    [
        ({"text": ["\ud800"]}, "edited_response", "textarea"),
        ({"rating": True}, "rating", "rating"),
    ],
)
def test_what_cannot_be_written_is_named(
    value: dict[str, Any], name: str, kind: str, tmp_path: Path
) -> None:
    file = tmp_path / "answers.json"
    file.write_text(_label_studio(value, name, kind))
    [error] = read_answers(Tool.LABEL_STUDIO, file)
    assert isinstance(error, SourceError)
