"""Readers for published human pairs, by the fields of each row.

Dolly, Alpaca, Self-Instruct, prompt and completion, question and answer, chats (``messages``, or
ShareGPT's ``conversations``) and Open-Assistant trees. A file is JSON lines or a JSON list; it may
be compressed.
"""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from models.seeds.conversations import Exchange, Turns, chat_exchanges, tree_exchanges
from schemas.errors import SourceError
from schemas.ids import seed_id
from schemas.records import Example, ExampleOrigin
from schemas.text import Row, Warned, clean, decompressed, name_of, read_rows
from schemas.wire import MAX_ROW_BYTES

__all__ = ["Turns", "make_seed", "read_pairs"]

_FIELDS = (
    ("instruction", "response"),
    ("instruction", "output"),
    ("prompt", "completion"),
    ("prompt", "response"),
    ("question", "answer"),
)
"""Names of what is asked and what is answered."""
_NOTHING = frozenset(
    ("<noinput>", "noinput", "no input", "<nooutput>", "nooutput", "no output", "n/a", "nan")
)
"""What data sets write where there is no context or no answer, in lower case."""


class _NotAPair(ValueError):
    """A row that is none of the formats."""


def read_pairs(file: Path, turns: Turns = Turns.FIRST) -> Iterator[Example | SourceError | Warned]:
    """Yield the pairs of a file as seeds, in order.

    Where the file or a row cannot be read, a SourceError that names it is yielded instead.
    """
    name = name_of(file)
    warnings: list[Warned] = []
    try:
        with file.open("rb") as opened:
            stream = decompressed(opened, name, lambda text: warnings.append(Warned(text)))
            yield from _read(stream, name, turns)
    except SourceError as error:
        yield error
    except OSError as error:
        yield SourceError(f"{name}: cannot be read: {error.strerror or error}")
    yield from warnings


def make_seed(instruction: str, context: str | None, response: str) -> Example:
    """A human pair as an example, with an id made from its text."""
    return Example(
        id=seed_id(instruction, context, response),
        instruction=instruction,
        context=context,
        response=response,
        origin=ExampleOrigin.SEED,
    )


def _read(stream: io.BufferedReader, name: str, turns: Turns) -> Iterator[Example | SourceError]:
    for row in read_rows(stream, name, MAX_ROW_BYTES, lines=True):
        if isinstance(row, SourceError):
            yield row
        else:
            yield from _row(row, turns)


def _row(row: Row, turns: Turns) -> Iterator[Example | SourceError]:
    try:
        if not isinstance(row.value, Mapping):
            raise _NotAPair(f"it is {type(row.value).__name__}, not an object")
        pairs = [pair for exchange in _exchanges(row.value, turns) for pair in _pair(exchange)]
    except _NotAPair as error:
        yield SourceError(f"{row.place}: not a human pair: {error}")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        yield SourceError(f"{row.place}: not a human pair: {reason}")
    else:
        if not pairs:
            yield SourceError(f"{row.place}: no instruction with a response that people wrote")
        yield from pairs


def _exchanges(row: Mapping[str, Any], turns: Turns) -> Iterator[Exchange]:
    if "prompt" in row and "message_tree_id" in row:
        yield from tree_exchanges(row["prompt"], turns)
    elif "instances" in row:
        for instance in row["instances"]:
            yield Exchange(row["instruction"], instance.get("input"), instance["output"])
    elif chat := row.get("messages") or row.get("conversations"):
        yield from chat_exchanges(chat, turns)
    else:
        for asked, answered in _FIELDS:
            if asked in row and answered in row:
                break
        else:
            raise _NotAPair(
                f"its fields are {', '.join(map(str, row)) or 'none'}; an instruction and a "
                "response are read, a prompt and a completion, a question and an answer, messages, "
                "conversations, and Open-Assistant trees"
            )
        if isinstance(row[answered], list):  # a chat in two parts
            given = row[asked] if isinstance(row[asked], list) else [_asked(row[asked])]
            yield from chat_exchanges([*given, *row[answered]], turns)
            return
        yield Exchange(
            row[asked], row["context"] if "context" in row else row.get("input"), row[answered]
        )


def _asked(text: str) -> Mapping[str, str]:
    return {"role": "user", "content": text}


def _pair(exchange: Exchange) -> Iterator[Example]:
    asked, given, answered = map(_said, exchange)
    if asked and answered:
        yield make_seed(asked, given or None, answered)


def _said(text: Any) -> str:
    """A text without white space around it. Empty where a placeholder stands for nothing."""
    if text is None or text != text:  # NaN, as pandas writes an empty cell
        return ""
    if not isinstance(text, str):
        raise _NotAPair(f"{type(text).__name__} stands where text is wanted")
    text = clean(text).strip()
    return "" if text.lower() in _NOTHING else text
