"""Readers for published human pairs: Dolly, Alpaca, Self-Instruct and Open-Assistant trees.

Files have one JSON object a line and may be compressed with gzip. The keys of each row say which
format it has.
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from schemas.errors import SourceError
from schemas.ids import seed_id
from schemas.records import Example, ExampleOrigin

_GZIP = b"\x1f\x8b"


class Turns(StrEnum):
    """Which exchanges of a conversation are read."""

    FIRST = "first"
    """The first one only."""
    ALL = "all"
    """Each one, with the earlier ones as its context."""


def read_pairs(file: Path, turns: Turns = Turns.FIRST) -> Iterator[Example | SourceError]:
    """Yield the pairs of a file as seeds, in order.

    Where the file or a line cannot be read, a SourceError that names it is yielded instead.
    """
    try:
        packed = file.read_bytes()
        text = (gzip.decompress(packed) if packed.startswith(_GZIP) else packed).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        yield SourceError(
            f"{file} cannot be read as seeds: {error}; give JSON lines in UTF-8, plain or gzip"
        )
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            pairs = list(_pairs(json.loads(line), turns))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            yield SourceError(
                f"{file}:{number} is not a row of Dolly, Alpaca, Self-Instruct or "
                f"Open-Assistant: {error!r}"
            )
            continue
        if not pairs:
            yield SourceError(f"{file}:{number} has no instruction with a response")
        yield from pairs


def make_seed(instruction: str, context: str | None, response: str) -> Example:
    """A human pair as an example, with an id made from its text."""
    return Example(
        id=seed_id(instruction, context, response),
        instruction=instruction,
        context=context,
        response=response,
        origin=ExampleOrigin.SEED,
    )


def _pairs(row: Mapping[str, Any], turns: Turns) -> Iterator[Example]:
    if "prompt" in row and "message_tree_id" in row:
        yield from _conversation(row["prompt"], (), turns)
    elif "instances" in row:
        for instance in row["instances"]:
            yield from _pair(row["instruction"], instance.get("input"), instance["output"])
    else:
        context = row["context"] if "context" in row else row.get("input")
        yield from _pair(
            row["instruction"], context, row["response"] if "response" in row else row["output"]
        )


def _pair(instruction: str, context: str | None, response: str) -> Iterator[Example]:
    asked, given, answered = instruction.strip(), (context or "").strip(), response.strip()
    f"{asked}{given}{answered}".encode()  # half of a surrogate pair raises: it is no character
    if asked and answered:
        yield make_seed(asked, given or None, answered)


def _conversation(
    prompt: Mapping[str, Any], before: Sequence[str], turns: Turns
) -> Iterator[Example]:
    """Yield a message of the prompter with its best reply, then what follows that reply."""
    replies = [reply for reply in prompt["replies"] if _kept(reply)]
    if not _kept(prompt) or not replies:
        return
    best = min(replies, key=_rank)
    yield from _pair(prompt["text"], "\n\n".join(before), best["text"])
    if turns is Turns.ALL:
        said = [*before, f"User: {prompt['text'].strip()}", f"Assistant: {best['text'].strip()}"]
        for following in best["replies"]:
            yield from _conversation(following, said, turns)


def _kept(message: Mapping[str, Any]) -> bool:
    """Whether a message was neither deleted nor rejected in review."""
    return not message.get("deleted") and message.get("review_result") is not False


def _rank(reply: Mapping[str, Any]) -> float:
    """Rank of a reply: 0 is best; one without a rank comes last."""
    rank = reply.get("rank")
    return float("inf") if rank is None else rank
