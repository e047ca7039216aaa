"""Conversations of a user and an assistant, as data sets and logs hold them.

A chat is a list of messages: ``role`` and ``content``, or ShareGPT's ``from`` and ``value``. A tree
is Open-Assistant's: a message with ``replies``, which people ranked. Both are read as exchanges:
what the user said, what the assistant answered, and the turns before.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from schemas.text import clean
from schemas.turns import MOST_TURNS, History, Turn

CHATS = ("messages", "conversations", "conversation")
"""Names of a field that holds a chat."""
TREE = ("message_tree_id", "prompt")
"""Fields of a tree."""
MESSAGE = ("message_id", "role", "text")
"""Fields of a message that was taken out of a tree; the first has no parent."""

_ROLES = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
}
"""The names that formats have for the two who speak."""
_SYSTEM = frozenset(("system", "developer"))
_TOOLS = frozenset(
    (
        *("tool", "tools", "function", "ipython", "environment", "observation"),
        *("call", "tool_call", "function_call", "tool_response", "function_response"),
    )
)
"""Names for calls of tools and their results, which are passed over."""
_TEXT_PARTS = ("text", "input_text", "output_text")
"""Types of a part of a message that is text: of chats, and of OpenAI's Responses."""
_THOUGHTS = ("thinking", "reasoning", "reasoning_text", "summary_text")
"""Types of a part that is no answer, which are passed over."""
_LONGEST_ROLE = 40
_SIDES = {"user": "the user's", "assistant": "the assistant's"}


class NotAConversation(ValueError):
    """Messages that are no conversation of a user and an assistant."""


class Exchange(NamedTuple):
    """What the user said, and what the assistant answered."""

    turns: History
    """What was said before, oldest first."""
    asked: str
    """Empty where the user's message is missing."""
    answered: str


class _Message(NamedTuple):
    number: int
    role: str
    text: str


def is_conversation(row: object) -> bool:
    """Whether a row has the fields of a chat or of a tree."""
    return isinstance(row, Mapping) and (
        all(name in row for name in TREE) or any(row.get(name) for name in CHATS)
    )


def read_conversation(row: Mapping[str, Any], replies: int = 1) -> list[Exchange]:
    """The exchanges of a row that ``is_conversation``, in order.

    Of a tree, ``replies`` is the number of best-ranked replies that are read to each message.
    Raises NotAConversation, and KeyError, TypeError, ValueError or AttributeError where a part is
    missing or of another type.
    """
    if all(name in row for name in TREE):
        return list(tree_exchanges(row["prompt"], replies))
    return chat_exchanges(next(row[name] for name in CHATS if row.get(name)))


def conversation_text(row: Mapping[str, Any]) -> str:
    """A row that ``is_conversation`` as JSON: the text of a document.

    It holds what ``read_conversation`` reads and nothing else. Raises NotAConversation.
    """
    with _named():
        read_conversation(row)
        return clean(json.dumps(_kept(row), ensure_ascii=False))


def parse_conversation(text: str) -> list[Exchange]:
    """The exchanges of what ``conversation_text`` gives. Raises NotAConversation."""
    with _named():
        row = json.loads(text)
        if not is_conversation(row):
            raise NotAConversation(
                f"a JSON object with {', '.join(CHATS)}, or with {' and '.join(TREE)}, is wanted"
            )
        return read_conversation(row)


@contextmanager
def _named() -> Iterator[None]:
    """Raise NotAConversation for whatever foreign content raises."""
    try:
        yield
    except NotAConversation:
        raise
    except KeyError as error:
        raise NotAConversation(f"a part of it has no {error}") from error
    except RecursionError as error:
        raise NotAConversation("its replies are nested too deep") from error
    except json.JSONDecodeError as error:
        raise NotAConversation(f"not JSON: {error}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise NotAConversation(
            "its fields do not hold what their names say, such as messages a list of objects"
        ) from error


def _kept(row: Mapping[str, Any]) -> dict[str, Any]:
    if all(name in row for name in TREE):
        return {"message_tree_id": "", "prompt": _pruned(row["prompt"])}
    chat = next(row[name] for name in CHATS if row.get(name))
    return {"messages": [{"role": m.role, "content": m.text} for m in _messages(chat)]}


def chat_exchanges(messages: Sequence[Mapping[str, Any]]) -> list[Exchange]:
    """The exchanges of a chat, the whole of which is checked first.

    The user and the assistant take turns, the user begins and the assistant ends. Before that a
    system message may stand, which is not read. Calls of tools, what these answer and messages of
    the assistant without a text are passed over. A user's message without a text is a missing one.

    Raises NotAConversation, which names the first message that breaks this.
    """
    found = _messages(messages)
    for place, message in enumerate(found):
        wanted = "assistant" if place % 2 else "user"
        if message.role != wanted:
            before = f"after {_SIDES[message.role]}" if place else "at the beginning"
            raise NotAConversation(
                f"message {message.number} is {_SIDES[message.role]} {before}: the user and the "
                "assistant take turns, and the user begins"
            )
    if len(found) % 2:
        raise NotAConversation(
            f"it ends with message {found[-1].number}, the user's, which nothing answers: cut it "
            "there"
        )
    if len(found) > MOST_TURNS:
        raise NotAConversation(f"{len(found):,} messages; at most {MOST_TURNS} are read: split it")
    exchanges: list[Exchange] = []
    turns: History | None = ()
    for asked, answered in zip(found[::2], found[1::2], strict=True):
        if turns is None:
            raise NotAConversation(
                f"message {asked.number} follows one of the user's that is missing: only the last "
                "one may be"
            )
        exchanges.append(Exchange(turns, asked.text, answered.text))
        turns = (*turns, *_said(asked.text, answered.text)) if asked.text else None
    return exchanges


def _messages(messages: Sequence[Mapping[str, Any]]) -> list[_Message]:
    """The messages that are read, with their numbers from 1."""
    found: list[_Message] = []
    for number, message in enumerate(messages, 1):
        named = str(message["role"] if "role" in message else message["from"]).lower()
        role = _ROLES.get(named)
        if named in _TOOLS or (named in _SYSTEM and not found):
            continue
        if role is None:
            late = " after the first one" if named in _SYSTEM else ""
            raise NotAConversation(
                f"message {number} has the role {named[:_LONGEST_ROLE]!r}{late}, and only a user "
                "and an assistant may speak"
            )
        content = message["content"] if "content" in message else message["value"]
        text = _text_of(content)
        if not text and (other := _unread_types(content)):
            raise NotAConversation(
                f"message {number} has its text in parts of the type {other}; what is read: "
                f"{', '.join(_TEXT_PARTS)}"
            )
        if text or role == "user":
            found.append(_Message(number, role, text))
    return found


def _text_of(content: Any) -> str:
    """Content as a text, without white space around it; of content in parts, the text is taken."""
    if isinstance(content, list):
        texts = (part["text"] for part in content if part.get("type") in _TEXT_PARTS)
        content = "\n\n".join(texts)
    if content is None:
        return ""
    if not isinstance(content, str):
        raise NotAConversation(f"{type(content).__name__} stands where text is wanted")
    return clean(content).strip()


def _unread_types(content: Any) -> str:
    """The types of parts that have a text which is not read."""
    if not isinstance(content, list):
        return ""
    types = {str(part.get("type")) for part in content if part.get("text")}
    types -= {*_TEXT_PARTS, *_THOUGHTS}
    return ", ".join(sorted(types))[:_LONGEST_ROLE]


def tree_exchanges(prompt: Mapping[str, Any], replies: int = 1) -> Iterator[Exchange]:
    """The exchanges of an Open-Assistant tree: each prompt with its best replies, along these.

    ``replies`` is the number of replies to each message that are read, by rank. Messages that were
    deleted, were rejected in review or come from a model are left out with all that follows them.
    A prompt without a reply gives nothing. Raises NotAConversation where one side replies to
    itself, or where a path is too long.
    """
    waiting: list[tuple[Mapping[str, Any], History, Mapping[str, Any] | None]] = [
        (prompt, (), None)
    ]
    while waiting:
        asked, turns, answered = waiting.pop()
        if answered is None:
            if _is_kept(asked, "user"):
                best = sorted((r for r in asked["replies"] if _is_kept(r, "assistant")), key=_rank)
                waiting += [(asked, turns, reply) for reply in reversed(best[:replies])]
            continue
        question, answer = _text_of(asked["text"]), _text_of(answered["text"])
        if not question or not answer:
            continue
        if len(turns) + 2 > MOST_TURNS:
            raise NotAConversation(f"a path of more than {MOST_TURNS} messages")
        yield Exchange(turns, question, answer)
        said = (*turns, *_said(question, answer))
        waiting += [(following, said, None) for following in reversed(answered["replies"])]


def _said(asked: str, answered: str) -> History:
    return Turn(role="user", text=asked), Turn(role="assistant", text=answered)


def _is_kept(message: Mapping[str, Any], side: str) -> bool:
    """Whether people wrote a message and let it stand. Raises NotAConversation."""
    role = message.get("role")
    if role is not None and _ROLES.get(str(role).lower()) != side:
        raise NotAConversation(
            f"a message of the role {str(role)[:_LONGEST_ROLE]!r} where {_SIDES[side]} is wanted"
        )
    return not (
        message.get("deleted") or message.get("synthetic") or message.get("review_result") is False
    )


def _rank(reply: Mapping[str, Any]) -> float:
    """Rank of a reply: 0 is best; one without a rank comes last."""
    rank = reply.get("rank")
    return float("inf") if rank is None else float(rank)


def _pruned(message: Mapping[str, Any], side: str = "user") -> dict[str, Any]:
    """A message with the fields that are read, and its replies likewise."""
    other = "assistant" if side == "user" else "user"
    return {
        "role": side,
        "text": _text_of(message["text"]),
        "rank": message.get("rank"),
        "replies": [_pruned(r, other) for r in message["replies"] if _is_kept(r, other)],
    }
