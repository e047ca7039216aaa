"""What a model wrote."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WrittenText:
    """What a model wrote."""

    text: str
    finished: bool
    """False where it reached the token limit."""


@dataclass(frozen=True, slots=True)
class WrittenInstruction:
    """An instruction that the backward model wrote.

    ``complete`` is False if it reached the token limit.
    """

    id: str
    instruction: str
    context: str | None
    complete: bool
    release: str
    template: str
