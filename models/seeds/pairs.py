"""A pair of instruction and response, as training and evaluation use it."""

from dataclasses import dataclass

from schemas.records import Example


@dataclass(frozen=True, slots=True)
class Pair:
    """An instruction and its response. ``context`` is empty where there is none."""

    instruction: str
    response: str
    context: str = ""

    @classmethod
    def of(cls, example: Example) -> "Pair":
        """The texts of an example."""
        return cls(example.instruction, example.response, example.context or "")
