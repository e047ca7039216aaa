"""What a replica's thread runs: a schedule over a session. ``Continuous`` is ours, ``StaticBatching`` serves
other graphs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from models.engine.requests import AnyRequest

Answered = tuple[AnyRequest, Any]
"""A request and its answer, or the EngineError that it failed with."""


@dataclass(slots=True)
class Counts:
    """What was computed."""

    calls: int = 0
    """Calls of the model."""
    read_tokens: int = 0
    """Prompt tokens that went through the model."""
    reused_tokens: int = 0
    """Prompt tokens whose keys and values were there already."""


class Model(Protocol):
    """What a loaded model tells of itself, whatever graph it runs."""

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""

    @property
    def context_window(self) -> int:
        """Most tokens of a prompt and its continuation together."""

    @property
    def vocabulary(self) -> int:
        """Number of token ids."""


class Core(Protocol):
    """Requests, waiting and running. All methods belong to the replica's thread."""

    counts: Counts

    @property
    def model(self) -> Model:
        """What it computes with."""

    def __len__(self) -> int:
        """Requests that want another turn."""

    def add(self, requests: Sequence[AnyRequest]) -> None:
        """Take in requests, oldest first."""

    def drop(self, unwanted: Callable[[AnyRequest], bool]) -> list[AnyRequest]:
        """Forget requests that are unwanted; returns those that will not be heard of again."""

    def abandon(self) -> list[AnyRequest]:
        """After a turn that raised: forget what was running; returns its requests without an
        answer.
        """

    def turn(self) -> Iterator[Answered | None]:
        """Some of the work; yields answers as they come, and None where the caller may stop. Raises
        what a call raises.
        """
