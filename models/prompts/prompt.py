"""What a model is asked, before it is laid out for one tokenizer or as messages."""

from collections.abc import Mapping
from dataclasses import dataclass

from models.prompts.template import Task
from schemas.records import Turn


@dataclass(frozen=True, slots=True)
class Prompt:
    """A task, and the texts that its template's placeholders stand for."""

    task: Task
    texts: Mapping[str, str]
    """By placeholder. A placeholder that is missing here is empty."""
    turns: tuple[Turn, ...] = ()
    """Earlier turns of the conversation, oldest first."""

    @property
    def characters(self) -> int:
        """Number of characters from outside."""
        return sum(map(len, self.texts.values())) + sum(len(turn.text) for turn in self.turns)
