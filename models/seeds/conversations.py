"""Conversations of a prompter and an assistant: their exchanges as instruction and response."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

_ROLES = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
}
"""The names that formats have for the two who speak. What others say, such as ``system``, is not
read."""


class Turns(StrEnum):
    """Which exchanges of a conversation are read."""

    FIRST = "first"
    """The first one only."""
    ALL = "all"
    """Each one, with the earlier ones as its context."""


class Exchange(NamedTuple):
    """What a person asked, and what was answered."""

    asked: Any
    context: Any
    answered: Any


def chat_exchanges(messages: Sequence[Mapping[str, Any]], turns: Turns) -> Iterator[Exchange]:
    """The exchanges of ``role`` and ``content``, or of ShareGPT's ``from`` and ``value``.

    Messages without a text, such as calls of tools, are passed over.
    """
    said: list[str] = []
    asked: str | None = None
    for message in messages:
        role = _ROLES.get(str(message["role"] if "role" in message else message["from"]).lower())
        if role is None:
            continue
        text = _joined(message["content"] if "content" in message else message["value"])
        if not text:
            continue
        if role == "user":
            asked = text
        elif role == "assistant" and asked is not None:
            yield Exchange(asked, "\n\n".join(said), text)
            if turns is Turns.FIRST:
                return
            said += _said(asked, text)
            asked = None


def _joined(content: Any) -> Any:
    """Content in parts as one text, without images and the like; other content as it is."""
    if not isinstance(content, list):
        return content
    return "\n\n".join(part["text"] for part in content if part.get("type") == "text")


def tree_exchanges(prompt: Mapping[str, Any], turns: Turns) -> Iterator[Exchange]:
    """The exchanges of an Open-Assistant tree: each prompt with its best reply, along these.

    Messages that were deleted, were rejected in review or come from a model are left out.
    """
    return _along_best(prompt, (), turns)


def _along_best(
    prompt: Mapping[str, Any], before: Sequence[str], turns: Turns
) -> Iterator[Exchange]:
    replies = [reply for reply in prompt["replies"] if _kept(reply)]
    if not _kept(prompt) or not replies:
        return
    best = min(replies, key=_rank)
    yield Exchange(prompt["text"], "\n\n".join(before), best["text"])
    if turns is Turns.ALL:
        said = [*before, *_said(prompt["text"], best["text"])]
        for following in best["replies"]:
            yield from _along_best(following, said, turns)


def _said(asked: str, answered: str) -> tuple[str, str]:
    return f"User: {asked.strip()}", f"Assistant: {answered.strip()}"


def _kept(message: Mapping[str, Any]) -> bool:
    """Whether people wrote a message and let it stand."""
    return not (
        message.get("deleted") or message.get("synthetic") or message.get("review_result") is False
    )


def _rank(reply: Mapping[str, Any]) -> float:
    """Rank of a reply: 0 is best; one without a rank comes last."""
    rank = reply.get("rank")
    return float("inf") if rank is None else rank
