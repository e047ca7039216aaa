"""Templates as the messages of a chat, for a model whose server lays them out itself."""

import re
from collections.abc import Mapping, Sequence

from models.prompts.exemplars import exemplars
from models.prompts.prompt import Prompt
from models.prompts.tasks.backward import heading_line
from models.prompts.tasks.rating import RATING_LEAD
from models.prompts.template import BOTH_TAGS, FIELDS, Family, Task, system_hash
from models.prompts.templates import template_for

Messages = list[dict[str, str]]

_PLACEHOLDER = re.compile(rf"\{{({'|'.join(FIELDS)})\}}")


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


def messages_of(prompt: Prompt, system: str = "") -> Messages:
    """The messages of a prompt of any task, its earlier turns before it."""
    template = template_for(prompt.task, Family.CHAT)
    values = {**prompt.texts, "tag": prompt.texts.get("tag", BOTH_TAGS)}
    own = template.system and _filled(template.system, values)
    turns = [{"role": turn.role, "content": turn.text} for turn in prompt.turns]
    return [*_leading(own or system), *turns, _user(prompt.task, values.get("context"), values)]


def message_template_id(task: Task, system: str = "") -> str:
    """Name and version of a task's template, with the hash of a system prompt if there is one."""
    id = template_for(task, Family.CHAT).id
    return f"{id}+{system_hash(system)}" if system else id


def _leading(system: str) -> Messages:
    return [{"role": "system", "content": system}] if system else []


def _user(task: Task, context: str | None, values: Mapping[str, str]) -> dict[str, str]:
    text = template_for(task, Family.CHAT).choose(context)
    return {"role": "user", "content": _filled(text, {**values, "context": context or ""})}


def _filled(text: str, values: Mapping[str, str]) -> str:
    # In one pass: a passage may contain what looks like a placeholder.
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], ""), text)
