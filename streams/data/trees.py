"""Curated examples as Open-Assistant's message trees.

Examples with the same turns share their messages, so a conversation of which several exchanges were
kept is one path, and several replies to one message are ranked. In JSON lines a row is a tree; in
Parquet, which has no trees, a row is a message that names its parent.
"""

import json
import math
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schemas.errors import BackstreamError
from schemas.ids import message_id
from schemas.records import Example, ExampleOrigin
from streams.data.exports import request_of
from streams.data.files import write_lines, write_table

_READY = "ready_for_export"
_UNKNOWN = "und"
"""ISO 639's code for a language that is not known."""
_DEEPEST = 256
"""Messages on a path of a tree in JSON, whose readers nest no deeper than some hundreds."""


@dataclass(slots=True)
class Message:
    """A message with its replies."""

    id: str
    parent: str | None
    role: str
    text: str
    depth: int
    language: str
    model: str | None
    """The release that wrote it; None for people."""
    source: str
    score: float = -math.inf
    """The highest rating of an example that it ends; infinite for human ones."""
    example_id: str = ""
    """Id of that example; empty where it ends none."""
    replies: dict[str, "Message"] = field(default_factory=dict)
    """By id, in the order in which they came."""

    def fields(self, rank: int | None) -> dict[str, Any]:
        """What a row says about it."""
        return {
            "message_id": self.id,
            "parent_id": self.parent,
            "text": self.text,
            "role": self.role,
            "lang": self.language,
            "deleted": False,
            "rank": rank,
            "synthetic": self.model is not None,
            "model_name": self.model or "",
            "example_id": self.example_id,
            "source": self.source,
            "score": self.score if math.isfinite(self.score) else 0.0,
        }

    def ranked(self) -> list[tuple["Message", int | None]]:
        """Its replies with their ranks: those of the assistant by rating, the best first."""
        if self.role == "assistant":
            return [(reply, None) for reply in self.replies.values()]
        best = sorted(self.replies.values(), key=lambda reply: (-reply.score, reply.id))
        return [(reply, rank) for rank, reply in enumerate(best)]


def trees_of(examples: Iterable[Example]) -> list[Message]:
    """The trees of examples, by their first messages, in the order in which these came."""
    roots: dict[str, Message] = {}
    for example in examples:
        replies, parent, last = roots, None, len(example.turns) + 1
        for depth, (role, text) in enumerate(_path(example)):
            id = str(uuid.UUID(message_id(parent, role, text)))
            model = _writer(example, role) if depth >= len(example.turns) else None
            message = replies.get(id)
            if message is None:
                language = example.provenance.language or _UNKNOWN
                source = example.provenance.source
                message = Message(id, parent, role, text, depth, language, model, source)
                replies[id] = message
            if model is None:
                message.model = None
            if depth == last and (score := _score(example)) > message.score:
                message.score, message.example_id = score, example.id
            replies, parent = message.replies, id
    return list(roots.values())


def _path(example: Example) -> Iterator[tuple[str, str]]:
    names = {"user": "prompter", "assistant": "assistant"}
    yield from ((names[turn.role], turn.text) for turn in example.turns)
    yield "prompter", request_of(example.instruction, example.context)
    yield "assistant", example.response


def _writer(example: Example, role: str) -> str | None:
    """The release that wrote a message of an example's own exchange; None for people."""
    made = example.provenance
    if example.origin is ExampleOrigin.SEED or (role == "assistant" and made.segment_id):
        return None
    return made.release or "unknown"


def _score(example: Example) -> float:
    return example.rating.score if example.rating else math.inf


def write_trees(examples: Iterable[Example], path: Path) -> int:
    """Write a tree a line; return the number of examples.

    The file appears whole or not at all. Raises BackstreamError where it cannot be written, or
    where a conversation is too long for it.
    """
    counted = list(examples)
    write_lines(map(_line, trees_of(counted)), path)
    return len(counted)


def _line(root: Message) -> str:
    tree = {"message_tree_id": root.id, "tree_state": _READY, "prompt": _nested(root)}
    return json.dumps(tree, ensure_ascii=False)


def _nested(message: Message, rank: int | None = None) -> dict[str, Any]:
    if message.depth >= _DEEPEST:
        raise BackstreamError(
            f"a conversation of more than {_DEEPEST} messages cannot be nested in JSON: write the "
            "messages, with -o and a name that ends in .parquet"
        )
    made = message.fields(rank)
    return made | {"replies": [_nested(reply, place) for reply, place in message.ranked()]}


def write_messages(examples: Iterable[Example], path: Path) -> int:
    """Write a message a row as Parquet, parents first; return the number of examples.

    The file appears whole or not at all. Raises BackstreamError where it cannot be written.
    """
    import pyarrow  # Here: it takes 0.2 s, which JSON lines do not need.

    text, flag = pyarrow.string(), pyarrow.bool_()
    schema = pyarrow.schema(
        [
            *((name, text) for name in ("message_id", "parent_id", "text", "role", "lang")),
            *(("deleted", flag), ("rank", pyarrow.int32())),
            *(("synthetic", flag), ("model_name", text), ("message_tree_id", text)),
            *(("tree_state", text), ("example_id", text), ("source", text)),
            ("score", pyarrow.float64()),
        ]
    )
    counted = list(examples)
    write_table(_flat(trees_of(counted)), schema, path)
    return len(counted)


def _flat(trees: Iterable[Message]) -> Iterator[dict[str, Any]]:
    for root in trees:
        waiting: list[tuple[Message, int | None]] = [(root, None)]
        while waiting:
            message, rank = waiting.pop()
            tree = {"message_tree_id": root.id, "tree_state": _READY}
            yield message.fields(rank) | tree
            waiting += reversed(message.ranked())
