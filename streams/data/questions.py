"""Questions from files: one a line, or rows of JSON, CSV, Parquet and Arrow.

A row has an ``instruction``, ``question``, ``prompt``, ``query`` or ``text``, and may have a
``context`` (or ``input``), a ``category`` and an ``id``. Rows of human pairs are read too, without
what was answered. Of a chat, the last message of a user is the question.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from pydantic import ValidationError

from schemas.categories import Category
from schemas.conversations import CHATS, NotAConversation, chat_exchanges
from schemas.errors import NotText, SourceError
from schemas.ids import question_id
from schemas.records import Question
from schemas.tables import ARROW_MARKS, PARQUET_MARK, arrow_rows, delimited_rows, parquet_rows
from schemas.text import PassedOver, Row, Warned, clean, decode, in_utf8, name_of, read_rows
from schemas.text.signatures import binary_kind
from schemas.turns import History
from schemas.wire import MAX_ROW_BYTES
from streams.data.sources import ROWS, Stdin, discover, format_of
from streams.data.sources.bytestreams import opened
from streams.data.sources.discovery import File, path_of

Outcome = Question | SourceError | PassedOver | Warned
"""What reading yields."""

_NAMES = ("instruction", "question", "prompt", "query", "text", "input")
"""Fields that hold what is asked; the first of them that a row has."""
_CHATS = (*CHATS, "prompt")
_ANSWER = {"role": "assistant", "content": "An answer."}
"""Stands at the end of a chat that ends with a question."""
_LINES = ("text", "markdown")
"""Formats of files with one question a line."""
_NOTHING = frozenset(("<noinput>", "noinput", "no input", "n/a", "nan"))
"""What data sets write where there is no context, in lower case."""
_JSON = re.compile(rb"[\xef\xbb\xbf\s]*(?:\{|\[\s*\{)")
"""What rows of JSON begin with, where the name does not tell."""
_PEEKED = 64


class _Asked(NamedTuple):
    text: str
    context: str | None = None
    turns: History = ()
    id: str | None = None


def read_questions(arguments: Sequence[str]) -> Iterator[Outcome]:
    """The questions of files, directories, globs and standard input (``-``), in order.

    What cannot be read is a SourceError that names it; so is a second question with the id of
    another one.
    """
    known: dict[str, int] = {}
    for where in discover(arguments, formats=(*ROWS, *_LINES)):
        if isinstance(where, PassedOver | SourceError):
            yield where
            continue
        for outcome in _read(where):
            if isinstance(outcome, Question):
                content = hash((outcome.instruction, outcome.context, outcome.turns))
                if known.setdefault(outcome.id, content) != content:
                    outcome = SourceError(
                        f"{outcome.source}: its id {outcome.id!r} is that of another question: "
                        "change it, or leave it out"
                    )
            yield outcome


def _read(where: File | Stdin) -> Iterator[Outcome]:
    warnings: list[Warned] = []
    try:
        with opened(where, lambda text: warnings.append(Warned(text))) as stream:
            for row in _rows(stream, where):
                yield from [row] if isinstance(row, SourceError) else _questions(row)
    except SourceError as error:
        yield error
    yield from warnings


def _rows(stream: io.BufferedReader, where: File | Stdin) -> Iterator[Row | SourceError]:
    """The rows of a file; of one with a question a line, each line as a row with a ``text``."""
    name = name_of(where)
    path = PurePath(name) if isinstance(where, Stdin) else path_of(where)
    head = stream.peek(_PEEKED)
    format = None if isinstance(where, Stdin) else format_of(path)
    if head.startswith(PARQUET_MARK):
        if not stream.seekable():
            raise SourceError(f"{name}: Parquet, which is read from its end: save it to a file")
        return parquet_rows(stream, name, _columns)
    if head.startswith(ARROW_MARKS):
        return arrow_rows(stream, name, _columns)
    if format == "csv":
        return delimited_rows(stream, name, _columns, MAX_ROW_BYTES)
    if format in ROWS or _JSON.match(head):
        return read_rows(stream, name, MAX_ROW_BYTES, lines=True)
    if format in _LINES or isinstance(where, Stdin):
        return _lines(stream, name)
    raise SourceError(
        f"{name}: questions are read from text with one a line, and from {', '.join(ROWS)}"
    )


def _columns(names: Sequence[str]) -> Sequence[str]:
    if not {*_NAMES, *_CHATS} & set(names):
        raise SourceError(
            f"no column of {', '.join(names)[:200]} holds questions: name it question"
        )
    return names


def _lines(stream: io.BufferedReader, name: str) -> Iterator[Row | SourceError]:
    stream = in_utf8(stream)
    if kind := binary_kind(stream.peek(_PEEKED)):
        yield SourceError(f"{name}: {kind}")
        return
    for number, line in enumerate(iter(lambda: stream.readline(MAX_ROW_BYTES), b""), start=1):
        place = f"{name}#{number}"
        try:
            text = decode(line).strip()
        except NotText as error:
            yield SourceError(f"{place}: {error}")
            return
        if text:
            yield Row(place, {"text": text})


def _questions(row: Row) -> Iterator[Question | SourceError]:
    if not isinstance(row.value, Mapping):
        yield SourceError(f"{row.place}: it is {type(row.value).__name__}, not an object")
        return
    try:
        asked = [one for one in _asked(row.value) if one.text]
        made = [_made(one, row) for one in asked]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        yield SourceError(f"{row.place}: not a question: {where}: {first['msg']}")
    except NotAConversation as error:
        yield SourceError(f"{row.place}: not a question: {error}")
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        yield SourceError(
            f"{row.place}: not a question: its fields do not hold what their names say"
        )
    else:
        if not made:
            listed = ", ".join(map(str, row.value))[:200]
            yield SourceError(
                f"{row.place}: no question in it: its fields are {listed}; what is read: "
                f"{', '.join(_NAMES)}, or messages, where they are not empty"
            )
        yield from made


def _asked(row: Mapping[str, Any]) -> Iterator[_Asked]:
    given = row.get("id")
    id = given if isinstance(given, str) else None  # a whole number counts rows, and is no id
    chat = next((row[name] for name in _CHATS if isinstance(row.get(name), list)), None)
    if isinstance(row.get("instances"), list):  # Self-Instruct: an instruction and its inputs
        for instance in row["instances"]:
            yield _Asked(_said(row["instruction"]), _said(instance.get("input")) or None)
    elif chat is not None:
        yield from _of_chat(chat, id)
    elif name := next((name for name in _NAMES if _said(row.get(name))), None):
        context = _said(row.get("context")) or (_said(row.get("input")) if name != "input" else "")
        yield _Asked(_said(row[name]), context or None, (), id)


def _of_chat(messages: Sequence[Mapping[str, Any]], id: str | None) -> Iterator[_Asked]:
    """The last message of a user; what was said before are its turns."""
    try:
        exchanges = chat_exchanges(messages)
    except NotAConversation:  # it may end with what is asked
        exchanges = chat_exchanges([*messages, _ANSWER])
    for exchange in exchanges[-1:]:
        yield _Asked(exchange.asked, None, exchange.turns, id)


def _said(text: Any) -> str:
    """A text without white space around it; empty for a placeholder, and for what is no text."""
    if not isinstance(text, str):
        return ""
    text = clean(text).strip()
    return "" if text.lower() in _NOTHING else text


def _made(asked: _Asked, row: Row) -> Question:
    assert isinstance(row.value, Mapping)
    category = str(row.value.get("category") or "").strip().lower().replace(" ", "_")
    made = question_id(asked.text, asked.context, [turn.text for turn in asked.turns])
    return Question(
        id=asked.id or made,
        instruction=asked.text,
        context=asked.context,
        turns=asked.turns,
        category=category if category in set(Category) else None,
        source=row.place,
    )
