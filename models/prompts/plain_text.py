"""The plain templates as text, for the likelihoods that a server computes.

Without exemplars: gains compare a text given the other part with the same text given nothing, in
the same template. ``END`` follows a text, so that its end has a likelihood too.
"""

import re
from collections.abc import Sequence

from models.prompts.history import in_context
from models.prompts.prompt import Prompt
from models.prompts.template import BOTH_TAGS, FIELDS, Family, Task
from models.prompts.templates import Templates
from schemas.turns import Turn

END = "\n\n###"
_PLACEHOLDER = re.compile(rf"\{{({'|'.join(FIELDS)})\}}")


def plain_prompt(
    templates: Templates,
    task: Task,
    given: str,
    context: str | None = None,
    turns: Sequence[Turn] = (),
) -> str:
    """What stands before an instruction (backward) or a response (forward), after ``turns``.

    ``given`` is the other part; empty for nothing.
    """
    values = {"response": given, "instruction": given, "context": context or "", "tag": BOTH_TAGS}
    return plain_text(templates, Prompt(task, values, tuple(turns)))


def plain_text(templates: Templates, prompt: Prompt) -> str:
    """What stands before the answer to a prompt of any task, after the turns before it."""
    values = {**prompt.texts, "context": in_context(prompt.turns, prompt.texts.get("context"))}
    text = templates.of(prompt.task, Family.PLAIN).choose(values["context"])
    # In one pass: a passage may contain what looks like a placeholder.
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], ""), text)
