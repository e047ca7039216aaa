"""What a prompt template is.

A template is text with placeholders such as ``{response}``. There are three families; the tokenizer
decides which one a checkpoint gets:

- ``markers``: special tokens between the fields. The house model was trained on it.
- ``chat``: messages for an instruct model, laid out by the checkpoint's chat template. A rating
  prompt starts with exemplars (``models/prompts/exemplars.py``).
- ``plain``: sections with headings, for a base model without either. Prompts start with exemplars.

The two origin tags follow *Self-Alignment with Instruction Backtranslation* (arXiv 2308.06259), in
our own words. A template whose text changes must get a new version, because the version is part of
the id of an example.
"""

import hashlib
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
    STEPS = "steps"
    EXEMPLARS = "exemplars"
    STEPS_EXEMPLARS = "steps_exemplars"
    REWRITING = "rewriting"
    INVENTION = "invention"
    KIND = "kind"
    INPUT = "input"
    LABELS = "labels"
    LABELLED_INPUT = "labelled_input"


TRAINED_TASKS = (Task.BACKWARD, Task.FORWARD, Task.RATING)
"""The tasks that a release is trained on: it is refused where their templates have changed."""

SEED_TAG = "Answer in the style of an AI Assistant."
AUGMENTED_TAG = "Answer with knowledge from web search."
BOTH_TAGS = f"{SEED_TAG} {AUGMENTED_TAG}"

FIELDS = (
    *("context", "response", "instruction", "tag", "heading", "turns"),
    *("tasks", "number", "label"),
)
"""The placeholders of templates."""

MARKERS = ("<|context|>", "<|response|>", "<|instruction|>", "<|score|>")
"""The special tokens of the ``markers`` family."""

GIVEN_CHAT = "Material given with the request:\n{context}\n\n"
"""The block of a ``chat`` template for a context."""


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
    set: str = ""
    """Name of the set of a user's own template; empty for the project's."""
    shots: bool = True
    """Whether the project's exemplars of the task stand before it."""

    @property
    def id(self) -> str:
        """Name and version, for provenance: ``backward.markers.1``.

        That of a user's own has the name of its set and a hash of its text, so that another text is
        another template: ``backward.chat.acme-1.9b2f6c1d``.
        """
        version = f"{self.set}-{self.version}.{self.digest}" if self.set else str(self.version)
        return f"{self.task}.{self.family}.{version}"

    @property
    def digest(self) -> str:
        """Hash of what a model is given of it, in 8 hexadecimal digits."""
        parts = (self.system, self.text, self.with_context, self.lead, str(self.shots))
        return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:8]

    def id_with(self, system: str) -> str:
        """``id``, with the hash of a user's system prompt where the template has none of its own.

        ``system`` is empty where there is no such prompt.
        """
        return f"{self.id}+{system_hash(system)}" if system and not self.system else self.id

    def choose(self, context: str | None) -> str:
        """The text for an example with or without a context."""
        return self.with_context if context else self.text


def with_and_without(text: str, given: str = GIVEN_CHAT) -> tuple[str, str]:
    """A template's text without and with the block for a context, which stands at ``{given}``."""
    return text.format(given=""), text.format(given=given)


def system_hash(system: str) -> str:
    """What stands for a user's system prompt in the name of a template."""
    return hashlib.sha256(system.encode()).hexdigest()[:8]
