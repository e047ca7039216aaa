"""The registry of prompt templates, used by training and by inference.

A template is text with placeholders such as ``{response}``. There are three families; the tokenizer
decides which one a checkpoint gets:

- ``markers``: special tokens between the fields. The house model was trained on it.
- ``chat``: messages for an instruct model, laid out by the checkpoint's chat template. A rating
  prompt starts with exemplars (``models/prompts/exemplars.py``).
- ``plain``: sections with headings, for a base model without either. Every prompt starts with
  exemplars.

The rating scale and the two origin tags follow *Self-Alignment with Instruction Backtranslation*
(arXiv 2308.06259), in our own words. A template whose text changes must get a new version, because
the version is part of the id of an example.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """The prompt format of a checkpoint."""

    MARKERS = "markers"
    CHAT = "chat"
    PLAIN = "plain"


class Task(StrEnum):
    """The task that a prompt sets the model."""

    BACKWARD = "backward"
    FORWARD = "forward"
    RATING = "rating"


SEED_TAG = "Answer in the style of an AI Assistant."
AUGMENTED_TAG = "Answer with knowledge from web search."
BOTH_TAGS = f"{SEED_TAG} {AUGMENTED_TAG}"

FIELDS = ("context", "response", "instruction", "tag", "heading")
"""The placeholders of templates."""

MARKERS = ("<|context|>", "<|response|>", "<|instruction|>", "<|score|>")
"""The special tokens of the ``markers`` family."""

DIGITS = ("1", "2", "3", "4", "5")
"""The points of the rating scale, worst first."""

RATING_LEAD = "Score: "
"""What the answer to a ``chat`` rating prompt begins with."""


@dataclass(frozen=True, slots=True)
class Template:
    """One prompt template."""

    task: Task
    family: Family
    version: int
    text: str
    """For an example without a context."""
    with_context: str
    """For an example with a context."""
    system: str = ""
    """System turn of a ``chat`` template."""
    lead: str = ""
    """What the answer begins with, as the model is given it."""

    @property
    def id(self) -> str:
        """Name and version, for provenance: ``backward.markers.1``."""
        return f"{self.task}.{self.family}.{self.version}"

    def choose(self, context: str | None) -> str:
        """The text for an example with or without a context."""
        return self.with_context if context else self.text


_BACKWARD_CHAT = """\
Below is a text. Write the one request that a person could have sent to an expert so that this \
text is a complete and direct answer. Name the subject in the request; do not say "the text" or \
"the passage". One or two sentences. Reply with the request alone.

{given}{{heading}}Text:
{{response}}"""

SCALE = """\
1: incomplete, off the topic, promotional, navigation or forum talk.
2: covers most of the request, but not directly.
3: complete, but in the voice of a blog, a web page or another person.
4: complete and written as an assistant would; small improvements are possible.
5: written for exactly this request by an expert; no sentence is irrelevant."""
"""The rating scale, as shown to models and to people."""

_RATING_CHAT = (
    f"Rate how well the answer serves the request, from 1 to 5.\n{SCALE}\n"
    + """
Request:
{{instruction}}

{given}Answer:
{{response}}

Reply with one line: "Score: " and the number."""
)

HEADING = "Heading: {}\n"
"""The line that names a passage's headings in a backward prompt; left out where it has none."""
_HEADINGS = 3
"""Most headings in a backward prompt."""
_LONGEST_HEADING = 120
"""Characters of a heading that a prompt takes."""

_GIVEN_CHAT = "Material given with the request:\n{context}\n\n"


def _pair(text: str, given: str) -> tuple[str, str]:
    """A template's text without and with the block for a context."""
    return text.format(given=""), text.format(given=given)


_TEMPLATES = (
    Template(
        Task.BACKWARD,
        Family.MARKERS,
        1,
        "<|response|>{response}<|instruction|>",
        "<|context|>{context}<|response|>{response}<|instruction|>",
    ),
    # The rating prompt continues the backward one. So the model has the likelihood of the
    # instruction when it predicts the digit, and the engine can reuse the passage's KV cache.
    Template(
        Task.RATING,
        Family.MARKERS,
        1,
        "<|response|>{response}<|instruction|>{instruction}<|score|>",
        "<|context|>{context}<|response|>{response}<|instruction|>{instruction}<|score|>",
    ),
    Template(
        Task.FORWARD,
        Family.MARKERS,
        1,
        "{tag}<|instruction|>{instruction}<|response|>",
        "{tag}<|instruction|>{instruction}<|context|>{context}<|response|>",
    ),
    Template(Task.BACKWARD, Family.CHAT, 2, *_pair(_BACKWARD_CHAT, _GIVEN_CHAT)),
    Template(Task.RATING, Family.CHAT, 2, *_pair(_RATING_CHAT, _GIVEN_CHAT), lead=RATING_LEAD),
    Template(
        Task.FORWARD, Family.CHAT, 1, "{instruction}", "{instruction}\n\n{context}", system="{tag}"
    ),
    Template(
        Task.BACKWARD,
        Family.PLAIN,
        2,
        "### Answer:\n{response}\n\n### The request that it answers:\n",
        "### Given:\n{context}\n\n### Answer:\n{response}\n\n### The request that it answers:\n",
    ),
    Template(
        Task.RATING,
        Family.PLAIN,
        2,
        "### Request:\n{instruction}\n\n### Answer:\n{response}\n\n"
        "### How well the answer serves the request, from 1 (not at all) to 5 "
        "(perfectly):\nScore: ",
        "### Request:\n{instruction}\n\n### Given:\n{context}\n\n### Answer:\n{response}\n\n"
        "### How well the answer serves the request, from 1 (not at all) to 5 "
        "(perfectly):\nScore: ",
    ),
    Template(
        Task.FORWARD,
        Family.PLAIN,
        2,
        "{tag}\n\n### Request:\n{instruction}\n\n### Answer:\n",
        "{tag}\n\n### Request:\n{instruction}\n\n### Given:\n{context}\n\n### Answer:\n",
    ),
)


def template_for(task: Task, family: Family) -> Template:
    """The current template of a task. Each pair of task and family has exactly one."""
    return next(t for t in _TEMPLATES if t.task is task and t.family is family)


def heading_line(headings: Sequence[str]) -> str:
    """The line of the innermost headings; empty where there are none."""
    chosen = [" ".join(heading.split())[:_LONGEST_HEADING] for heading in headings[-_HEADINGS:]]
    return HEADING.format(" > ".join(chosen)) if any(chosen) else ""


def system_hash(system: str) -> str:
    """What stands for a user's system prompt in the name of a template."""
    return hashlib.sha256(system.encode()).hexdigest()[:8]
