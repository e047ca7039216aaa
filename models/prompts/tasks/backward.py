"""Backward: the instruction that a passage answers."""

from collections.abc import Sequence

from models.prompts.template import Family, Task, Template, with_and_without

_CHAT = """\
Below is a text. Write the one request that a person could have sent to an expert so that this \
text is a complete and direct answer. Name the subject in the request; do not say "the text" or \
"the passage". One or two sentences. Reply with the request alone.

{{turns}}{given}{{heading}}Text:
{{response}}"""

HEADING = "Heading: {}\n"
"""The line that names a passage's headings in a backward prompt; left out where it has none."""
_HEADINGS = 3
"""Most headings in a backward prompt."""
_LONGEST_HEADING = 120
"""Characters of a heading that a prompt takes."""


TEMPLATES = (
    Template(
        Task.BACKWARD,
        Family.MARKERS,
        1,
        "<|response|>{response}<|instruction|>",
        "<|context|>{context}<|response|>{response}<|instruction|>",
    ),
    Template(Task.BACKWARD, Family.CHAT, 2, *with_and_without(_CHAT)),
    Template(
        Task.BACKWARD,
        Family.PLAIN,
        2,
        "### Answer:\n{response}\n\n### The request that it answers:\n",
        "### Given:\n{context}\n\n### Answer:\n{response}\n\n### The request that it answers:\n",
    ),
)


def heading_line(headings: Sequence[str]) -> str:
    """The line of the innermost headings; empty where there are none."""
    chosen = [" ".join(heading.split())[:_LONGEST_HEADING] for heading in headings[-_HEADINGS:]]
    return HEADING.format(" > ".join(chosen)) if any(chosen) else ""
