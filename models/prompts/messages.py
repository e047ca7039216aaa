"""Templates as the messages of a chat, for a model whose server lays them out itself."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.prompts.exemplars import exemplars
from models.prompts.history import TURNS, quoted
from models.prompts.prompt import Prompt
from models.prompts.tasks.backward import heading_line
from models.prompts.template import BOTH_TAGS, FIELDS, Family, Task, Template
from models.prompts.templates import BUILT_IN, Templates
from schemas.turns import Turn

Messages = list[dict[str, str]]

_PLACEHOLDER = re.compile(rf"\{{({'|'.join(FIELDS)})\}}")


@dataclass(frozen=True, slots=True)
class MessagePrompter:
    """Makes the messages of the prompts of one model."""

    templates: Templates = BUILT_IN
    system: str = ""
    """System turn of the templates that have none. A user's setting."""

    def backward(
        self,
        response: str,
        context: str | None = None,
        headings: Sequence[str] = (),
        turns: Sequence[Turn] = (),
    ) -> Messages:
        """The messages that ask for the instruction that ``response`` answers, after ``turns``."""
        values = {"response": response, "heading": heading_line(headings)}
        return self._messages(Task.BACKWARD, values, context, turns=turns)

    def rating(
        self,
        instruction: str,
        response: str,
        context: str | None = None,
        turns: Sequence[Turn] = (),
    ) -> Messages:
        """The messages that ask for a rating, after rated pairs as earlier turns."""
        template = self._template(Task.RATING)
        earlier: Messages = []
        for pair, digit in exemplars(Task.RATING) if template.shots else ():
            values = {"instruction": pair.instruction, "response": pair.response}
            earlier.append(_user(template, values, None))
            earlier.append({"role": "assistant", "content": template.lead + digit})
        values = {"instruction": instruction, "response": response}
        return self._messages(Task.RATING, values, context, earlier, turns)

    def of(self, prompt: Prompt) -> Messages:
        """The messages of a prompt of any task, its earlier turns before it or quoted in it."""
        context = prompt.texts.get("context")
        return self._messages(prompt.task, prompt.texts, context, turns=prompt.turns)

    def template_id(self, task: Task) -> str:
        """Name and version of a task's template, for provenance."""
        return self._template(task).id_with(self.system)

    def _messages(
        self,
        task: Task,
        texts: Mapping[str, str],
        context: str | None,
        earlier: Sequence[dict[str, str]] = (),
        turns: Sequence[Turn] = (),
    ) -> Messages:
        template = self._template(task)
        values = {"tag": BOTH_TAGS, **texts, "turns": quoted(turns)}
        if TURNS not in template.choose(context):
            said = [{"role": turn.role, "content": turn.text} for turn in turns]
            earlier = [*earlier, *said]
        system = _filled(template.system, values) if template.system else self.system
        leading = [{"role": "system", "content": system}] if system else []
        return [*leading, *earlier, _user(template, values, context)]

    def _template(self, task: Task) -> Template:
        return self.templates.of(task, Family.CHAT)


def _user(template: Template, values: Mapping[str, str], context: str | None) -> dict[str, str]:
    text = template.choose(context)
    if _PLACEHOLDER.search(template.lead):
        # A server begins its answer itself: what is to be continued stands in the request.
        text = f"{text}\n\n{template.lead}"
    return {"role": "user", "content": _filled(text, {**values, "context": context or ""})}


def _filled(text: str, values: Mapping[str, str]) -> str:
    # In one pass: a passage may contain what looks like a placeholder.
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], ""), text)
