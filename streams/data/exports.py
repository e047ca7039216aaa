"""Curated examples as files for training tools.

JSONL or Parquet, as triples, Alpaca rows or chat messages. Trees are in ``trees.py``.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from models.atomic_file import atomic_file
from schemas.errors import BackstreamError
from schemas.records import Example
from schemas.turns import transcript

if TYPE_CHECKING:
    import pyarrow

_BATCH_ROWS = 1000
_PROBABILITIES = 5
_SHAREGPT = {"user": "human", "assistant": "gpt"}
_ABSENT: dict[str, Any] = {
    "score": 0.0,
    "precision": 0.0,
    "probabilities": [0.0] * _PROBABILITIES,
    "evidence": {},
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


def row(example: Example, shape: Shape, with_evidence: bool = False) -> dict[str, object]:
    """An example as a row.

    In chats, the context follows the instruction after a blank line. In Alpaca's rows, which have
    no place for earlier turns, these are at the beginning of the input. ``with_evidence`` adds to
    triples what the rating was made from.
    """
    context = example.context or ""
    match shape:
        case Shape.ALPACA:
            return {
                "instruction": example.instruction,
                "input": "\n\n".join(filter(None, (transcript(example.turns), context))),
                "output": example.response,
            }
        case Shape.CHAT:
            return {"messages": [{"role": role, "content": text} for role, text in _said(example)]}
        case Shape.SHAREGPT:
            said = [{"from": _SHAREGPT[role], "value": text} for role, text in _said(example)]
            return {"conversations": said}
        case Shape.TRIPLES:
            made, rating = example.provenance, example.rating
            evidence = {
                "probabilities": list(rating.probabilities) if rating else None,
                "precision": rating.precision if rating else None,
                "evidence": dict(sorted(rating.evidence.items())) if rating else None,
            }
            return {
                "id": example.id,
                "instruction": example.instruction,
                "context": example.context,
                "response": example.response,
                "origin": example.origin.value,
                "score": rating.score if rating else None,
                "release": made.release,
                "source": made.source,
                "document_id": made.document_id,
                "segment_id": made.segment_id,
                "language": made.language,
                "turns": [{"role": turn.role, "content": turn.text} for turn in example.turns],
                **(evidence if with_evidence else {}),
            }


def request_of(instruction: str, context: str | None) -> str:
    """What the user says in a chat: the instruction, and the context after a blank line."""
    return f"{instruction}\n\n{context}" if context else instruction


def _said(example: Example) -> Iterator[tuple[str, str]]:
    """Every message of an example with its role, the earlier turns first."""
    yield from ((turn.role, turn.text) for turn in example.turns)
    yield "user", request_of(example.instruction, example.context)
    yield "assistant", example.response


def json_line(example: Example, shape: Shape, with_evidence: bool = False) -> str:
    """A row as JSON, in which each column has the same type in every row of every file.

    JSON has no types for columns. Readers infer them from the first rows, and fail where all of
    these are null or empty. So nothing is null: an absent text is empty, an absent rating is 0, and
    the turns and the evidence of triples are JSON of their own, because most rows have no turns,
    and the names of evidence differ.
    """
    values = row(example, shape, with_evidence)
    filled = {
        name: _ABSENT.get(name, "") if value is None else value for name, value in values.items()
    }
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


def write_lines(lines: Iterable[str], path: Path) -> int:
    """Write lines to a file as ``write_jsonl`` does; return the number written."""
    count = 0
    with whole_file(path) as file:
        for line in lines:
            file.write(line.encode() + b"\n")
            count += 1
    return count


def write_parquet(
    examples: Iterable[Example], path: Path, shape: Shape, with_evidence: bool = False
) -> int:
    """Write a Parquet file, a thousand rows at a time; return the number written.

    The file appears whole or not at all. Raises BackstreamError where it cannot be written.
    """
    rows = (row(example, shape, with_evidence) for example in examples)
    return write_table(rows, columns(shape, with_evidence), path)


def write_table(rows: Iterable[Mapping[str, object]], schema: "pyarrow.Schema", path: Path) -> int:
    """Write rows to a file as ``write_parquet`` does; return the number written."""
    # Imported here: 0.2 s that JSONL does not need.
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    rows, count = iter(rows), 0
    with whole_file(path) as file, ParquetWriter(file, schema, compression="zstd") as writer:
        while batch := list(islice(rows, _BATCH_ROWS)):
            writer.write_batch(pyarrow.RecordBatch.from_pylist(batch, schema=schema))
            count += len(batch)
    return count


def columns(shape: Shape, with_evidence: bool = False) -> "pyarrow.Schema":
    """The Arrow schema of a shape's rows."""
    import pyarrow

    text = pyarrow.string()
    turns = pyarrow.list_(pyarrow.struct([("role", text), ("content", text)]))
    match shape:
        case Shape.ALPACA:
            fields = [("instruction", text), ("input", text), ("output", text)]
        case Shape.CHAT:
            fields = [("messages", turns)]
        case Shape.SHAREGPT:
            value = pyarrow.struct([("from", text), ("value", text)])
            fields = [("conversations", pyarrow.list_(value))]
        case Shape.TRIPLES:
            texts = ("release", "source", "document_id", "segment_id", "language")
            fields = [
                (name, text) for name in ("id", "instruction", "context", "response", "origin")
            ]
            number = pyarrow.float64()
            fields += [("score", number), *((name, text) for name in texts), ("turns", turns)]
            if with_evidence:
                fields += [
                    ("probabilities", pyarrow.list_(number)),
                    ("precision", number),
                    ("evidence", pyarrow.map_(text, number)),
                ]
    return pyarrow.schema(fields)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears at ``path`` whole or not at all.

    Raises BackstreamError where it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as file:
            yield file
    except OSError as error:
        raise BackstreamError(
            f"cannot write {path}: {error.strerror or error}; nothing was changed"
        ) from error
