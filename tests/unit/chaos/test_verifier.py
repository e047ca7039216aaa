"""The verifier finds each kind of wrong: it has to be able to fail."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

from tests.chaos import verifier
from tests.chaos.verifier import Message, Position, verify

FED = {"d1": "s1", "d2": "s2", "d3": "s3"}
_SCHEMAS = {
    "segments": b"segment/1",
    "candidates": b"candidate/1",
    "scored": b"scored/1",
    "curated": b"example/1",
    "rejected": b"rejection/1",
}


class Topics:
    """Topics in memory, with offsets counted by topic."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def put(
        self,
        topic: str,
        key: str,
        value: bytes | dict[str, Any] | None,
        headers: dict[str, bytes] | None = None,
    ) -> Position:
        offset = sum(message.at.topic == topic for message in self.messages)
        at = Position(topic, 0, offset)
        data: bytes | None = msgpack.packb(value) if isinstance(value, dict) else value
        if headers is None:
            headers = {"schema": _SCHEMAS[topic]} if topic in _SCHEMAS else {}
        self.messages.append(Message(at, key.encode(), data, headers))
        return at

    def segment(self, id: str, document: str, text: str = "A text.") -> Position:
        return self.put("segments", id, {"id": id, "document_id": document, "text": text})

    def candidate(self, id: str, segment: str, instruction: str = "Why?") -> Position:
        return self.put("candidates", id, _candidate(id, segment, instruction))

    def scored(self, id: str, segment: str, score: float = 4.0) -> Position:
        rating = {"score": score, "release": "r"}
        return self.put("scored", id, {"candidate": _candidate(id, segment), "rating": rating})

    def curated(self, id: str, response: str | None = None, key: str | None = None) -> Position:
        example = {
            "id": id,
            "instruction": "Why?",
            "response": response or f"Because of {id}.",
            "origin": "augmented",
            "rating": {"release": "r"},
        }
        return self.put("curated", key or id, example)

    def rejected(self, id: str, stage: str, document: str = "", segment: str = "") -> Position:
        record = {
            "id": id,
            "stage": stage,
            "reason": "too_short",
            "document_id": document,
            "segment_id": segment,
            "release": "r" if stage == "curator" else "",
        }
        return self.put("rejected", id, record)

    def dead(self, at: Position) -> Position:
        named = {"topic": at.topic, "partition": str(at.partition), "offset": str(at.offset)}
        headers = {f"__streams.errors.{name}": text.encode() for name, text in named.items()}
        return self.put("dead-letters", "k", b"x", headers)


def _candidate(id: str, segment: str, instruction: str = "Why?") -> dict[str, Any]:
    return {
        "id": id,
        "instruction": instruction,
        "response": f"Because of {id}.",
        "provenance": {"segment_id": segment},
    }


@pytest.fixture
def topics() -> Topics:
    """Three documents: one kept, one refused by the segmenter, one refused by the curator."""
    made = Topics()
    for source in FED.values():
        made.put("documents", source, b"A text.")
    made.segment("g1", "d1")
    made.segment("g3", "d3")
    made.rejected("x", "segmenter", "d2")
    for id, segment in (("c1", "g1"), ("c3", "g3")):
        made.candidate(id, segment)
        made.scored(id, segment)
    made.curated("c1")
    made.rejected("c3", "curator", "d3", "g3")
    return made


def without(topics: Topics, *kinds: str) -> Iterator[Message]:
    return (message for message in topics.messages if message.at.topic not in kinds)


def test_a_complete_stream_has_no_faults(topics: Topics) -> None:
    verdict = verify(FED, {}, topics.messages)
    assert verdict.faults == []
    assert verdict.fed == 3
    assert verdict.ids["candidates"] == 2
    assert verdict.duplicates == {}


@pytest.mark.parametrize(
    ("missing", "lost"),
    [
        ("segments", "documents d1"),
        ("candidates", "segments g1"),
        ("scored", "candidates c1"),
        ("curated", "scored c1"),
        ("rejected", "documents d2"),
    ],
)
def test_what_is_missing_is_lost(topics: Topics, missing: str, lost: str) -> None:
    assert lost in verify(FED, {}, without(topics, missing)).lost


def test_a_document_that_the_broker_lost_is_told_apart(topics: Topics) -> None:
    messages = [m for m in topics.messages if (m.at.topic, m.key) != ("documents", b"s2")]
    verdict = verify(FED, {}, messages)
    assert verdict.not_stored == ["d2"]
    assert verdict.lost == []


def test_copies_are_counted_before_folding_and_are_no_fault(topics: Topics) -> None:
    topics.segment("g1", "d1")
    topics.candidate("c1", "g1")
    topics.scored("c1", "g1", 4.001)
    topics.curated("c1")
    verdict = verify(FED, {}, topics.messages)
    assert verdict.duplicates == {"segments": 1, "candidates": 1, "scored": 1, "curated": 1}
    assert verdict.faults == []


def test_copies_with_other_contents_are_counted(topics: Topics) -> None:
    topics.segment("g1", "d1", "Another text.")
    topics.candidate("c1", "g1", "Another instruction?")
    topics.scored("c1", "g1", 2.0)
    verdict = verify(FED, {}, topics.messages)
    assert verdict.differing == {"segments": 1, "candidates": 1, "scored": 1}
    assert verdict.faults == ["1 segments differ from their copies"]


def test_duplicates_after_folding(topics: Topics) -> None:
    topics.curated("c1", key="another key")
    assert len(verify(FED, {}, topics.messages).duplicates_folded) == 2, "by id and by response"
    topics.messages.pop()
    topics.candidate("c4", "g1")
    topics.scored("c4", "g1")
    topics.curated("c4", response="Because  of c1.")
    assert verify(FED, {}, topics.messages).duplicates_folded == ["c4 has the response of c1"]


def test_a_tombstone_removes_an_example(topics: Topics) -> None:
    topics.put("curated", "c1", None)
    verdict = verify(FED, {}, topics.messages)
    assert verdict.ids["curated"] == 0
    assert verdict.faults == []


def test_foreign_records(topics: Topics) -> None:
    topics.segment("g9", "d9")
    topics.rejected("x9", "segmenter", "d9")
    topics.candidate("c8", "g8")
    topics.scored("c9", "g1")
    topics.curated("c7")
    found = " ".join(verify(FED, {}, topics.messages).foreign)
    for name in ("segment g9", "rejection x9", "candidate c8", "scored c9", "example c7"):
        assert name in found


def test_an_example_that_is_kept_and_refused(topics: Topics) -> None:
    topics.rejected("c1", "curator", "d1", "g1")
    assert verify(FED, {}, topics.messages).contradictory == ["example c1 of r"]


def test_a_record_that_cannot_be_read(topics: Topics) -> None:
    topics.put("scored", "c1", b"\xc1")
    topics.put("segments", "g1", b"", {"schema": b"segment/2"})
    topics.put("dead-letters", "k", b"", {})
    assert len(verify(FED, {}, topics.messages).unreadable) == 3


def test_a_dead_letter_of_a_healthy_record_answers_and_is_unexpected(topics: Topics) -> None:
    [at] = [m.at for m in topics.messages if (m.at.topic, m.key) == ("scored", b"c1")]
    topics.dead(at)
    verdict = verify(FED, {}, [m for m in topics.messages if m.at.topic != "curated"])
    assert verdict.lost == []
    assert len(verdict.dead_unexpected) == 1


def test_poison(topics: Topics) -> None:
    dies = topics.put("documents", "bad", b"\xff")
    passes = topics.put("curated", "bad", b"\xff")
    poison = {dies: True, passes: False}
    verdict = verify(FED, poison, topics.messages)
    assert verdict.unanswered == ["documents/0@3"]
    topics.dead(dies)
    verdict = verify(FED, poison, topics.messages)
    assert verdict.faults == []
    assert verdict.dead == 1
    topics.dead(dies)
    topics.dead(passes)
    verdict = verify(FED, poison, topics.messages)
    assert verdict.duplicates == {"dead-letters": 1}
    assert len(verdict.dead_unexpected) == 1


def test_the_verifier_imports_nothing_of_the_product() -> None:
    tree = ast.parse(Path(verifier.__file__).read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not imported & {"schemas", "models", "agents", "streams", "tests"}
