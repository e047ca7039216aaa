"""The turns of a conversation that were said before an instruction."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

MOST_TURNS = 512
"""Most turns of a conversation."""
_NAMES = {"user": "User", "assistant": "Assistant"}


class Turn(BaseModel):
    """What one side said in a conversation."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    role: Literal["user", "assistant"]
    text: Annotated[str, StringConstraints(min_length=1)]


History = tuple[Turn, ...]


def _whole_exchanges(turns: History) -> History:
    """Raise ValueError where turns are not whole exchanges: a user's turn, then an assistant's."""
    if len(turns) > MOST_TURNS:
        raise ValueError(f"{len(turns):,} turns; at most {MOST_TURNS} are read")
    for number, turn in enumerate(turns):
        wanted = "assistant" if number % 2 else "user"
        if turn.role != wanted:
            raise ValueError(
                f"turn {number + 1} is the {turn.role}'s where the {wanted}'s is wanted: "
                "the two take turns, and the user begins"
            )
    if len(turns) % 2:
        raise ValueError("the last turn is the user's, and nothing answers it")
    return turns


EarlierTurns = Annotated[History, AfterValidator(_whole_exchanges)]
"""Whole exchanges, oldest first: user and assistant in turns, the user first."""


def exchanges_of(turns: Sequence[Turn]) -> Iterator[tuple[str, str]]:
    """What the user said and what the assistant answered, for each exchange."""
    return ((turns[at].text, turns[at + 1].text) for at in range(0, len(turns), 2))


def transcript(turns: Sequence[Turn]) -> str:
    """Turns as one text, each after the name of its side."""
    return "\n\n".join(f"{_NAMES[turn.role]}: {turn.text.strip()}" for turn in turns)
