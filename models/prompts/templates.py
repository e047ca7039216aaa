"""The prompt templates: one registry, used by training and by inference alike.

A template is text with slots such as ``{response}``. Three families exist, told apart by what the
tokenizer offers:

- ``markers``: single special tokens between the fields; what the house model was trained on.
- ``chat``: messages for an instruct model, laid out by the checkpoint's own chat template; a rating after worked examples.
- ``plain``: headed sections for a base model without either, after worked examples (``models/prompts/exemplars.py``).

The rating scale and the two origin tags follow *Self-Alignment with Instruction Backtranslation*
(arXiv 2308.06259), in our own words. A template whose text changes gets a new version: the version
is part of every example's id.
"""

from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """Which layout of prompts a checkpoint understands."""

    MARKERS = "markers"
    CHAT = "chat"
    PLAIN = "plain"


class Task(StrEnum):
    """What a prompt asks of the model."""

    BACKWARD = "backward"
    FORWARD = "forward"
    RATING = "rating"


SEED_TAG = "Answer in the style of an AI Assistant."
AUGMENTED_TAG = "Answer with knowledge from web search."
BOTH_TAGS = f"{SEED_TAG} {AUGMENTED_TAG}"

MARKERS = ("<|context|>", "<|response|>", "<|instruction|>", "<|score|>")
"""The special tokens of the ``markers`` family."""

DIGITS = ("1", "2", "3", "4", "5")
"""The points of the rating scale, worst first."""


@dataclass(frozen=True, slots=True)
class Template:
    """One prompt. ``text`` is used where the example has no context, ``with_context`` where it has
    one.
    """

    task: Task
    family: Family
    version: int
    text: str
    with_context: str
    system: str = ""

    @property
    def id(self) -> str:
        """Name and version, for provenance: ``backward.markers.1``."""
        return f"{self.task}.{self.family}.{self.version}"

    def choose(self, context: str | None) -> str:
        """The text for an example with or without a context."""
        return self.with_context if context else self.text


_BACKWARD_CHAT = """\
Below is a text. Write the one request that a person could have sent to an expert so that this text is a complete \
and direct answer. Name the subject in the request; do not say "the text" or "the passage". One or two sentences. \
Reply with the request alone.

{given}Text:
{{response}}"""

SCALE = """\
1: incomplete, off the topic, promotional, navigation or forum talk.
2: covers most of the request, but not directly.
3: complete, but in the voice of a blog, a web page or another person.
4: complete and written as an assistant would; small improvements are possible.
5: written for exactly this request by an expert; no sentence is irrelevant."""
"""The rating scale, as models and people are told it."""

_RATING_CHAT = (
    f"Rate how well the answer serves the request, from 1 to 5.\n{SCALE}\n"
    + """
Request:
{{instruction}}

{given}Answer:
{{response}}

Reply with one line: "Score: " and the number."""
)

_GIVEN_CHAT = "Material given with the request:\n{context}\n\n"


def _pair(text: str, given: str) -> tuple[str, str]:
    """A template text without and with its block for the given context."""
    return text.format(given=""), text.format(given=given)


_TEMPLATES = (
    Template(
        Task.BACKWARD,
        Family.MARKERS,
        1,
        "<|response|>{response}<|instruction|>",
        "<|context|>{context}<|response|>{response}<|instruction|>",
    ),
    # The rating prompt continues the backward one, so that a model's surprise at the instruction is
    # at hand when it writes the digit, and an engine can reuse the passage's keys and values.
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
    Template(Task.BACKWARD, Family.CHAT, 1, *_pair(_BACKWARD_CHAT, _GIVEN_CHAT)),
    Template(Task.RATING, Family.CHAT, 2, *_pair(_RATING_CHAT, _GIVEN_CHAT)),
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
    """The template in force for a task; every pair of task and family has exactly one."""
    return next(t for t in _TEMPLATES if t.task is task and t.family is family)
