"""Readers for published human pairs, by the fields of each row.

Dolly, Alpaca, Self-Instruct, prompt and completion, question and answer, chats (``messages``, or
ShareGPT's ``conversations``), Open-Assistant's trees and messages, and what ``export`` writes. A
file is JSON lines, a JSON list, CSV, Parquet or Arrow; it may be compressed.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.seeds.message_trees import MessageTrees
from models.seeds.shapes import (
    Exchange,
    NotAPair,
    Reading,
    Turns,
    check_columns,
    exchanges,
    is_message,
)
from schemas.conversations import NotAConversation
from schemas.errors import SourceError
from schemas.ids import seed_id
from schemas.records import Example, ExampleOrigin, Provenance
from schemas.tables import (
    ARROW_MARKS,
    PARQUET_MARK,
    arrow_rows,
    delimited_rows,
    parquet_rows,
)
from schemas.text import Row, Warned, clean, decompressed, name_of, read_rows
from schemas.turns import History
from schemas.wire import MAX_ROW_BYTES

__all__ = ["Reading", "Turns", "make_seed", "read_pairs"]

_DELIMITED = frozenset((".csv", ".tsv", ".tab"))
_NOTHING = re.compile(r"no ?(?:input|output)|n/a|nan")
"""What data sets write where there is no context or no answer, in lower case and without a mark."""
_NO_CONTEXT = re.compile(
    rf"{_NOTHING.pattern}|none|null|not applicable"
    r"|no ?(?:input|context)(?: is)? (?:required|needed|necessary|provided|given|available)"
    r"|no ?context"
)
"""What they write for a context alone: as an answer these words can be meant."""
_BRACKETS = ("<>", "[]", "()", "{}")
_WHOLE = Reading()


def read_pairs(file: Path, reading: Reading = _WHOLE) -> Iterator[Example | SourceError | Warned]:
    """Yield the pairs of a file as seeds, in order.

    Where the file or a row cannot be read, a SourceError that names it is yielded instead.
    """
    name = name_of(file)
    warnings: list[Warned] = []
    try:
        with file.open("rb") as opened:
            stream = decompressed(opened, name, lambda text: warnings.append(Warned(text)))
            yield from _read(_rows(stream, opened, file), reading)
    except SourceError as error:
        yield error
    except IsADirectoryError:
        yield SourceError(f"{name}: a directory with no file in it of a kind that is read")
    except OSError as error:
        yield SourceError(f"{name}: cannot be read: {error.strerror or error}")
    yield from warnings


def make_seed(
    instruction: str,
    context: str | None,
    response: str,
    turns: History = (),
    conversation: str = "",
) -> Example:
    """A human pair as an example, with an id made from its text.

    ``turns`` were said before it; ``conversation`` is that of ``Provenance``.
    """
    return Example(
        id=seed_id(instruction, context, response, [turn.text for turn in turns]),
        instruction=instruction,
        context=context,
        response=response,
        origin=ExampleOrigin.SEED,
        turns=turns,
        provenance=Provenance(conversation=conversation),
    )


def _rows(
    stream: io.BufferedReader, opened: io.BufferedReader, file: Path
) -> Iterator[Row | SourceError]:
    """The rows of a file. ``stream`` is what was opened, decompressed."""
    name = name_of(file)

    def choose(columns: Sequence[str]) -> Sequence[str]:
        try:
            check_columns(columns)
        except NotAPair as error:
            raise SourceError(f"{name}: not human pairs: {error}") from error
        return columns

    head = stream.peek(len(PARQUET_MARK))
    if head.startswith(PARQUET_MARK):
        if stream is opened:
            return parquet_rows(opened, name, choose)
        raise SourceError(
            f"{name}: Parquet inside, which is read from its end: decompress it first"
        )
    if head.startswith(ARROW_MARKS):
        return arrow_rows(stream, name, choose)
    if _DELIMITED & {suffix.lower() for suffix in file.suffixes[-2:]}:
        return delimited_rows(stream, name, choose, MAX_ROW_BYTES)
    return read_rows(stream, name, MAX_ROW_BYTES, lines=True)


def _read(rows: Iterator[Row | SourceError], reading: Reading) -> Iterator[Example | SourceError]:
    messages = MessageTrees()
    for row in rows:
        if isinstance(row, SourceError):
            yield row
        elif is_message(row.value):
            if error := messages.add(row):
                yield error
        else:
            yield from _row(row, reading)
    for tree in messages.trees():
        if isinstance(tree, SourceError):
            yield tree
        else:
            yield from _row(tree, reading)


def _row(row: Row, reading: Reading) -> Iterator[Example | SourceError]:
    try:
        if not isinstance(row.value, Mapping):
            raise NotAPair(f"it is {type(row.value).__name__}, not an object")
        pairs = [pair for exchange in exchanges(row.value, reading) for pair in _pair(exchange)]
    except NotAPair as error:
        yield SourceError(f"{row.place}: not a human pair: {error}")
    except NotAConversation as error:
        yield SourceError(f"{row.place}: not a conversation: {error}")
    except KeyError as error:
        yield SourceError(f"{row.place}: not a human pair: a part of it has no {error}")
    except (ValueError, TypeError, AttributeError, RecursionError):
        yield SourceError(
            f"{row.place}: not a human pair: its fields do not hold what their names say, such as "
            "messages a list of objects"
        )
    else:
        if not pairs:
            yield SourceError(f"{row.place}: no instruction with a response that people wrote")
        yield from pairs


def _pair(exchange: Exchange) -> Iterator[Example]:
    asked, answered = _said(exchange.asked), _said(exchange.answered)
    given = _said(exchange.context, _NO_CONTEXT)
    if asked and answered:
        yield make_seed(asked, given or None, answered, exchange.turns, exchange.conversation)


def _said(text: Any, nothing: re.Pattern[str] = _NOTHING) -> str:
    """A text without white space around it. Empty where a placeholder stands for nothing."""
    if text is None or text != text:  # NaN, as pandas writes an empty cell
        return ""
    if not isinstance(text, str):
        raise NotAPair(f"{type(text).__name__} stands where text is wanted")
    text = clean(text).strip()
    return "" if nothing.fullmatch(_unmarked(text.lower())) else text


def _unmarked(text: str) -> str:
    """A text without a full stop and a pair of brackets around it."""
    text = text.removesuffix(".")
    if text[:1] + text[-1:] in _BRACKETS:
        text = text[1:-1].strip().removesuffix(".")
    return text
