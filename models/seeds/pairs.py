"""A human pair: what training, grading and measuring work on."""

from dataclasses import dataclass

from schemas.records import Example


@dataclass(frozen=True, slots=True)
class Pair:
    """A human pair; ``context`` is empty where the row has none."""

    instruction: str
    response: str
    context: str = ""

    @classmethod
    def of(cls, example: Example) -> "Pair":
        """The texts of an example."""
        return cls(example.instruction, example.response, example.context or "")
