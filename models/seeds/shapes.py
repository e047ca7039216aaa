"""The shapes of published human pairs, told by the names of their fields."""

import json
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from schemas.conversations import (
    CHATS,
    MESSAGE,
    TREE,
    chat_exchanges,
    is_conversation,
    read_conversation,
)
from schemas.conversations import Exchange as ChatExchange
from schemas.ids import conversation_id
from schemas.turns import History

_PAIRS = (
    ("instruction", "response"),
    ("instruction", "output"),
    ("prompt", "completion"),
    ("prompt", "response"),
    ("question", "answer"),
    ("question", "response"),
    ("query", "response"),
    ("input", "output"),
)
"""Names of what is asked and what is answered."""
_OTHERS = (("instruction", "instances"), TREE)
_VERDICTS = ("label", "kto_tag")
"""Fields of a row for KTO that say whether its answer is a good one."""
_MOST_NAMES = 12
"""Fields that an error names."""
_LONGEST_NAME = 40
"""Characters of such a name."""


class Turns(StrEnum):
    """Which exchanges of a conversation are read."""

    FIRST = "first"
    """The first one only."""
    ALL = "all"
    """Each one, with the turns before it."""


class Reading(NamedTuple):
    """What is read of a conversation."""

    turns: Turns = Turns.ALL
    replies: int = 1
    """Number of best-ranked replies to each message of a tree."""


class Exchange(NamedTuple):
    """What a person asked, and what was answered."""

    asked: Any
    context: Any
    answered: Any
    turns: History = ()
    """What was said before."""
    conversation: str = ""
    """Id of the conversation where it has several exchanges, else empty."""


class NotAPair(ValueError):
    """A row that has none of the shapes."""


def check_columns(names: Collection[str]) -> None:
    """Raise NotAPair where no row with these fields can be a human pair."""
    shapes = (*_PAIRS, *((chat,) for chat in CHATS), *_OTHERS, MESSAGE)
    if not any(set(shape) <= set(names) for shape in shapes):
        raise _none_of_them(names)


def is_message(row: object) -> bool:
    """Whether a row is a message that was taken out of an Open-Assistant tree."""
    return isinstance(row, Mapping) and all(name in row for name in MESSAGE)


def exchanges(row: Mapping[str, Any], reading: Reading) -> Iterator[Exchange]:
    """What is asked and answered in a row.

    Raises NotAPair, NotAConversation, or KeyError for an incomplete row.
    """
    if verdict := _rejecting(row):
        raise NotAPair(f"its {verdict} is false: people rejected the answer")
    if "instances" in row:
        for instance in row["instances"]:
            yield Exchange(row["instruction"], instance.get("input"), instance["output"])
    elif is_conversation(row):
        yield from _chosen(read_conversation(row, reading.replies), reading)
    else:
        yield from _pair(row, reading)


def _rejecting(row: Mapping[str, Any]) -> str | None:
    """The field that says that the answer of a row for KTO is a bad one.

    The label of a question is none: it may be what the answer says.
    """
    if "prompt" in row or is_conversation(row):
        return next((name for name in _VERDICTS if _is_false(row.get(name))), None)
    return None


def _is_false(value: object) -> bool:
    """Whether a value is false, or the word for it in CSV."""
    return value is False or (isinstance(value, str) and value.strip().lower() == "false")


def _chosen(found: list[ChatExchange], reading: Reading) -> Iterator[Exchange]:
    for turns, asked, answered in found:
        if turns and reading.turns is Turns.FIRST:
            continue
        opening = turns[0].text if turns else asked
        conversation = conversation_id(opening) if len(found) > 1 else ""
        yield Exchange(asked, None, answered, turns, conversation)


def _pair(row: Mapping[str, Any], reading: Reading) -> Iterator[Exchange]:
    found = [(row[ask], row[answer], ask) for ask, answer in _PAIRS if ask in row and answer in row]
    if not found:
        empty = next((name for name in CHATS if name in row), None)
        raise NotAPair(f"its {empty} are empty") if empty else _none_of_them(row)
    asked, answered, name = next(
        (pair for pair in found if pair[0] is not None and pair[1] is not None), found[0]
    )
    if isinstance(answered, list):  # a chat in two parts
        given = asked if isinstance(asked, list) else [{"role": "user", "content": asked}]
        yield from _chosen(chat_exchanges([*given, *answered]), reading)
        return
    context = row.get("context") if "context" in row or name == "input" else row.get("input")
    turns = _earlier(row)
    if turns and reading.turns is Turns.FIRST:
        return
    conversation = conversation_id(turns[0].text) if turns else ""
    yield Exchange(asked, context, answered, turns, conversation)


def _earlier(row: Mapping[str, Any]) -> History:
    """The turns before a pair: ``turns`` as ``export`` writes them, or Alpaca's ``history``."""
    said = row.get("turns")
    if isinstance(said, str) and said.startswith("["):
        said = json.loads(said)
    if not isinstance(said, list):
        said = [
            {"role": role, "content": text}
            for exchange in row.get("history") or ()
            for role, text in zip(("user", "assistant"), exchange, strict=True)
        ]
    last = {"role": "user", "content": "-"}, {"role": "assistant", "content": "-"}
    return chat_exchanges([*said, *last])[-1].turns if said else ()


def _none_of_them(names: Collection[str]) -> NotAPair:
    listed = ", ".join(str(name)[:_LONGEST_NAME] for name in list(names)[:_MOST_NAMES]) or "none"
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    pairs = ", ".join(f"{ask} and {answer}" for ask, answer in _PAIRS)
    return NotAPair(
        f"its fields are {listed}{more}; what is read: {pairs}, instruction and instances, "
        f"{', '.join(CHATS)}, and Open-Assistant's trees and messages"
    )
