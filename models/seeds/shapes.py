"""The shapes of published human pairs, told by the names of their fields."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from models.seeds.conversations import Exchange, Turns, chat_exchanges, tree_exchanges

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
_CHATS = ("messages", "conversations", "conversation")
_OTHERS = (("instruction", "instances"), ("message_tree_id", "prompt"))
MESSAGE = ("message_id", "role", "text")
"""Fields of a message that was taken out of an Open-Assistant tree; the first has no parent."""
_MOST_NAMES = 12
"""Fields that an error names."""
_LONGEST_NAME = 40
"""Characters of such a name."""


class NotAPair(ValueError):
    """A row that has none of the shapes."""


def check_columns(names: Collection[str]) -> None:
    """Raise NotAPair where no row with these fields can be a human pair."""
    shapes = (*_PAIRS, *((chat,) for chat in _CHATS), *_OTHERS, MESSAGE)
    if not any(set(shape) <= set(names) for shape in shapes):
        raise _none_of_them(names)


def is_message(row: object) -> bool:
    """Whether a row is a message that was taken out of an Open-Assistant tree."""
    return isinstance(row, Mapping) and all(name in row for name in MESSAGE)


def exchanges(row: Mapping[str, Any], turns: Turns) -> Iterator[Exchange]:
    """What is asked and answered in a row. Raises NotAPair, or KeyError for an incomplete row."""
    if "prompt" in row and "message_tree_id" in row:
        yield from tree_exchanges(row["prompt"], turns)
    elif "instances" in row:
        for instance in row["instances"]:
            yield Exchange(row["instruction"], instance.get("input"), instance["output"])
    elif chat := next((row[name] for name in _CHATS if row.get(name)), None):
        yield from chat_exchanges(chat, turns)
    else:
        yield from _pair(row, turns)


def _pair(row: Mapping[str, Any], turns: Turns) -> Iterator[Exchange]:
    found = [(row[ask], row[answer], ask) for ask, answer in _PAIRS if ask in row and answer in row]
    if not found:
        empty = next((name for name in _CHATS if name in row), None)
        raise NotAPair(f"its {empty} are empty") if empty else _none_of_them(row)
    asked, answered, name = next(
        (pair for pair in found if pair[0] is not None and pair[1] is not None), found[0]
    )
    if isinstance(answered, list):  # a chat in two parts
        given = asked if isinstance(asked, list) else [{"role": "user", "content": asked}]
        yield from chat_exchanges([*given, *answered], turns)
        return
    context = row.get("context") if "context" in row or name == "input" else row.get("input")
    yield Exchange(asked, context, answered)


def _none_of_them(names: Collection[str]) -> NotAPair:
    listed = ", ".join(str(name)[:_LONGEST_NAME] for name in list(names)[:_MOST_NAMES]) or "none"
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    pairs = ", ".join(f"{ask} and {answer}" for ask, answer in _PAIRS)
    return NotAPair(
        f"its fields are {listed}{more}; what is read: {pairs}, instruction and instances, "
        f"{', '.join(_CHATS)}, and Open-Assistant's trees and messages"
    )
