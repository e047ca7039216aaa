"""A pair of instruction and response, as training and evaluation use it."""

from dataclasses import dataclass

from schemas.records import Example
from schemas.turns import History, exchanges_of


@dataclass(frozen=True, slots=True)
class Pair:
    """An instruction and its response. ``context`` is empty where there is none."""

    instruction: str
    response: str
    context: str = ""
    turns: History = ()
    """What was said before the instruction, oldest first."""

    @property
    def exchanges(self) -> list[tuple[str, str]]:
        """What was asked and answered in the whole conversation, this pair last."""
        return [*exchanges_of(self.turns), (self.instruction, self.response)]

    @classmethod
    def of(cls, example: Example) -> "Pair":
        """The texts of an example."""
        return cls(example.instruction, example.response, example.context or "", example.turns)
