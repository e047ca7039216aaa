"""Templates as the messages of a chat, for a model whose server lays them out itself."""

import re
from collections.abc import Mapping, Sequence

from models.prompts.exemplars import exemplars
from models.prompts.templates import (
    RATING_LEAD,
    Family,
    Task,
    heading_line,
    system_hash,
    template_for,
)

Messages = list[dict[str, str]]

_PLACEHOLDER = re.compile(r"\{(context|response|instruction|heading)\}")


def backward_messages(
    response: str, context: str | None = None, headings: Sequence[str] = (), system: str = ""
) -> Messages:
    """The messages that ask for the instruction that ``response`` answers."""
    values = {"response": response, "heading": heading_line(headings)}
    return [*_leading(system), _user(Task.BACKWARD, context, values)]


def rating_messages(
    instruction: str, response: str, context: str | None = None, system: str = ""
) -> Messages:
    """The messages that ask for a rating, after rated pairs as earlier turns."""
    messages = _leading(system)
    for pair, digit in exemplars(Task.RATING):
        values = {"instruction": pair.instruction, "response": pair.response}
        messages.append(_user(Task.RATING, None, values))
        messages.append({"role": "assistant", "content": RATING_LEAD + digit})
    values = {"instruction": instruction, "response": response}
    return [*messages, _user(Task.RATING, context, values)]


def message_template_id(task: Task, system: str = "") -> str:
    """Name and version of a task's template, with the hash of a system prompt if there is one."""
    id = template_for(task, Family.CHAT).id
    return f"{id}+{system_hash(system)}" if system else id


def _leading(system: str) -> Messages:
    return [{"role": "system", "content": system}] if system else []


def _user(task: Task, context: str | None, values: Mapping[str, str]) -> dict[str, str]:
    given = {**values, "context": context or ""}
    text = template_for(task, Family.CHAT).choose(context)
    # In one pass: a passage may contain what looks like a placeholder.
    return {"role": "user", "content": _PLACEHOLDER.sub(lambda found: given[found[1]], text)}
