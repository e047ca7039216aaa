"""The plain templates as text, for the likelihoods that a server computes.

Without exemplars: gains compare a text given the other part with the same text given nothing, in
the same template. ``END`` follows a text, so that its end has a likelihood too.
"""

import re
from collections.abc import Sequence

from models.prompts.history import in_context
from models.prompts.template import BOTH_TAGS, Family, Task
from models.prompts.templates import Templates
from schemas.turns import Turn

END = "\n\n###"
_PLACEHOLDER = re.compile(r"\{(context|response|instruction|tag)\}")


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
    context = in_context(turns, context)
    values = {"response": given, "instruction": given, "context": context, "tag": BOTH_TAGS}
    text = templates.of(task, Family.PLAIN).choose(context)
    # In one pass: a passage may contain what looks like a placeholder.
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)
