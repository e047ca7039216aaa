"""Curated examples as rows for training tools, in JSON lines or Parquet.

Trees are in ``trees.py``, preference pairs in ``preferences.py``.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.records import Example, ExampleOrigin
from schemas.turns import transcript
from streams.data.files import write_lines, write_table

if TYPE_CHECKING:
    import pyarrow

_PROBABILITIES = 5
_SHAREGPT = {"user": "human", "assistant": "gpt"}
_ABSENT: dict[str, Any] = {
    "score": 0.0,
    "confidence": 0.0,
    "precision": 0.0,
    "probabilities": [0.0] * _PROBABILITIES,
    "evidence": [],
}
"""What stands in JSON for a null of these columns; for one of text, an empty text."""


class Shape(StrEnum):
    """The form of a row."""

    TRIPLES = "triples"
    """Instruction, context and response, with rating, origin and provenance."""
    ALPACA = "alpaca"
    """``instruction``, ``input``, ``output``."""
    CHAT = "chat"
    """``messages`` of ``role`` and ``content``, the earlier turns first."""
    SHAREGPT = "sharegpt"
    """``conversations`` of ``from`` (``human`` or ``gpt``) and ``value``."""
    PROMPT_COMPLETION = "prompt_completion"
    """``prompt``, the messages up to the instruction, and ``completion``, the reply's message."""


def row(example: Example, shape: Shape, with_evidence: bool = False) -> dict[str, object]:
    """An example as a row. Every shape has its id, source and score.

    In chats, the context follows the instruction after a blank line. In Alpaca's rows, which have
    no place for earlier turns, these are at the beginning of the input. ``with_evidence`` adds what
    the rating was made from.
    """
    made, rating = example.provenance, example.rating
    score = rating.score if rating else None
    found = _trained_on(example, shape)
    if shape is Shape.TRIPLES:
        found |= {
            "origin": example.origin.value,
            "score": score,
            "category": example.category,
            "confidence": example.confidence,
            "generator": _generator(example),
            "release": made.release,
            "source": made.source,
            "document_id": made.document_id,
            "segment_id": made.segment_id,
            "language": made.language,
            "turns": [{"role": turn.role, "content": turn.text} for turn in example.turns],
        }
    else:
        found |= {"id": example.id, "source": made.source, "score": score}
    if with_evidence:
        found |= {
            "probabilities": list(rating.probabilities) if rating else None,
            "precision": rating.precision if rating else None,
            "evidence": _figures(rating.evidence) if rating else None,
        }
    return found


def _trained_on(example: Example, shape: Shape) -> dict[str, object]:
    """The columns that a training tool reads."""
    match shape:
        case Shape.TRIPLES:
            return {
                "id": example.id,
                "instruction": example.instruction,
                "context": example.context,
                "response": example.response,
            }
        case Shape.ALPACA:
            before = filter(None, (transcript(example.turns), example.context))
            return {
                "instruction": example.instruction,
                "input": "\n\n".join(before),
                "output": example.response,
            }
        case Shape.CHAT:
            return {"messages": _messages(example)}
        case Shape.SHAREGPT:
            said = [{"from": _SHAREGPT[role], "value": text} for role, text in _said(example)]
            return {"conversations": said}
        case Shape.PROMPT_COMPLETION:
            *prompt, reply = _messages(example)
            return {"prompt": prompt, "completion": [reply]}


def _figures(evidence: Mapping[str, float]) -> list[dict[str, object]]:
    """Figures with their names, in a type that readers of Parquet know."""
    return [{"name": name, "value": value} for name, value in sorted(evidence.items())]


def _generator(example: Example) -> str:
    """The stage that made an example; empty for a human seed."""
    return example.provenance.generator if example.origin is ExampleOrigin.AUGMENTED else ""


def request_of(instruction: str, context: str | None) -> str:
    """What the user says in a chat: the instruction, and the context after a blank line."""
    return f"{instruction}\n\n{context}" if context else instruction


def _messages(example: Example) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, text in _said(example)]


def _said(example: Example) -> Iterator[tuple[str, str]]:
    """Every message of an example with its role, the earlier turns first."""
    yield from ((turn.role, turn.text) for turn in example.turns)
    yield "user", request_of(example.instruction, example.context)
    yield "assistant", example.response


def json_line(example: Example, shape: Shape, with_evidence: bool = False) -> str:
    """``filled_line`` of an example's row."""
    return filled_line(row(example, shape, with_evidence))


def filled_line(values: Mapping[str, object]) -> str:
    """A row as JSON, in which each column has the same type in every row of every file.

    JSON has no types for columns. Readers infer them from the first rows, and fail where all of
    these are null or empty. So nothing is null: an absent text is empty, an absent rating is 0, and
    the turns and the evidence of triples are JSON of their own, because most rows have no turns,
    and the names of evidence differ.
    """
    filled: dict[str, Any] = {
        name: _ABSENT.get(name, "") if value is None else value for name, value in values.items()
    }
    if "evidence" in filled:
        filled["evidence"] = {each["name"]: each["value"] for each in filled["evidence"]}
    for name in ("turns", "evidence"):
        if name in filled:
            filled[name] = json.dumps(filled[name], ensure_ascii=False)
    return json.dumps(filled, ensure_ascii=False)


def write_jsonl(
    examples: Iterable[Example], path: Path, shape: Shape, with_evidence: bool = False
) -> int:
    """Write one ``json_line`` for each example; return the number written.

    The file appears whole or not at all. Raises BackstreamError where it cannot be written.
    """
    return write_lines((json_line(example, shape, with_evidence) for example in examples), path)


def write_parquet(
    examples: Iterable[Example], path: Path, shape: Shape, with_evidence: bool = False
) -> int:
    """Write a Parquet file, a thousand rows at a time; return the number written.

    The file appears whole or not at all. Raises BackstreamError where it cannot be written.
    """
    rows = (row(example, shape, with_evidence) for example in examples)
    return write_table(rows, columns(shape, with_evidence), path)


def columns(shape: Shape, with_evidence: bool = False) -> "pyarrow.Schema":
    """The Arrow schema of a shape's rows."""
    import pyarrow

    text, number = pyarrow.string(), pyarrow.float64()
    messages = pyarrow.list_(pyarrow.struct([("role", text), ("content", text)]))
    fields: list[tuple[str, pyarrow.DataType]]
    match shape:
        case Shape.TRIPLES:
            fields = [(name, text) for name in ("id", "instruction", "context", "response")]
            fields += [("origin", text), ("score", number), ("category", text)]
            fields += [("confidence", number), ("generator", text)]
            made = ("release", "source", "document_id", "segment_id", "language")
            fields += [*((name, text) for name in made), ("turns", messages)]
        case Shape.ALPACA:
            fields = [("instruction", text), ("input", text), ("output", text)]
        case Shape.CHAT:
            fields = [("messages", messages)]
        case Shape.SHAREGPT:
            said = pyarrow.struct([("from", text), ("value", text)])
            fields = [("conversations", pyarrow.list_(said))]
        case Shape.PROMPT_COMPLETION:
            fields = [("prompt", messages), ("completion", messages)]
    if shape is not Shape.TRIPLES:
        fields += [("id", text), ("source", text), ("score", number)]
    if with_evidence:
        fields += [
            ("probabilities", pyarrow.list_(number)),
            ("precision", number),
            ("evidence", pyarrow.list_(pyarrow.struct([("name", text), ("value", number)]))),
        ]
    return pyarrow.schema(fields)
