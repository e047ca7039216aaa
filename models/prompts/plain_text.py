"""The plain templates as text, for the likelihoods that a server computes.

Without exemplars: gains compare a text given the other part with the same text given nothing, in
the same template. ``END`` follows a text, so that its end has a likelihood too.
"""

import re

from models.prompts.template import BOTH_TAGS, Family, Task
from models.prompts.templates import Templates

END = "\n\n###"
_PLACEHOLDER = re.compile(r"\{(context|response|instruction|tag)\}")


def plain_prompt(templates: Templates, task: Task, given: str, context: str | None = None) -> str:
    """What stands before an instruction (backward) or a response (forward).

    ``given`` is the other part; empty for nothing.
    """
    values = {"response": given, "instruction": given, "context": context or "", "tag": BOTH_TAGS}
    text = templates.of(task, Family.PLAIN).choose(context)
    # In one pass: a passage may contain what looks like a placeholder.
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)
