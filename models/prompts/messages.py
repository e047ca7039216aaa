"""Templates as the messages of a chat, for a model whose server lays them out itself."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.prompts.exemplars import exemplars
from models.prompts.prompt import Prompt
from models.prompts.tasks.backward import heading_line
from models.prompts.template import BOTH_TAGS, FIELDS, Family, Task, Template
from models.prompts.templates import BUILT_IN, Templates

Messages = list[dict[str, str]]

_PLACEHOLDER = re.compile(rf"\{{({'|'.join(FIELDS)})\}}")


@dataclass(frozen=True, slots=True)
class MessagePrompter:
    """Makes the messages of the prompts of one model."""

    templates: Templates = BUILT_IN
    system: str = ""
    """System turn of the templates that have none. A user's setting."""

    def backward(
        self, response: str, context: str | None = None, headings: Sequence[str] = ()
    ) -> Messages:
        """The messages that ask for the instruction that ``response`` answers."""
        values = {"response": response, "heading": heading_line(headings)}
        return self._messages(Task.BACKWARD, values, context)

    def rating(self, instruction: str, response: str, context: str | None = None) -> Messages:
        """The messages that ask for a rating, after rated pairs as earlier turns."""
        template = self._template(Task.RATING)
        earlier: Messages = []
        for pair, digit in exemplars(Task.RATING):
            values = {"instruction": pair.instruction, "response": pair.response}
            earlier.append(_user(template, values, None))
            earlier.append({"role": "assistant", "content": template.lead + digit})
        values = {"instruction": instruction, "response": response}
        return self._messages(Task.RATING, values, context, earlier)

    def of(self, prompt: Prompt) -> Messages:
        """The messages of a prompt of any task, its earlier turns before it."""
        turns = [{"role": turn.role, "content": turn.text} for turn in prompt.turns]
        return self._messages(prompt.task, prompt.texts, prompt.texts.get("context"), turns)

    def template_id(self, task: Task) -> str:
        """Name and version of a task's template, for provenance."""
        return self._template(task).id_with(self.system)

    def _messages(
        self,
        task: Task,
        texts: Mapping[str, str],
        context: str | None,
        earlier: Sequence[dict[str, str]] = (),
    ) -> Messages:
        template, values = self._template(task), {"tag": BOTH_TAGS, **texts}
        system = _filled(template.system, values) if template.system else self.system
        leading = [{"role": "system", "content": system}] if system else []
        return [*leading, *earlier, _user(template, values, context)]

    def _template(self, task: Task) -> Template:
        return self.templates.of(task, Family.CHAT)


def _user(template: Template, values: Mapping[str, str], context: str | None) -> dict[str, str]:
    text = _filled(template.choose(context), {**values, "context": context or ""})
    return {"role": "user", "content": text}


def _filled(text: str, values: Mapping[str, str]) -> str:
    # In one pass: a passage may contain what looks like a placeholder.
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], ""), text)
