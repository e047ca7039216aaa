"""What a replica's thread runs: requests, their schedule, and a model.

``ContinuousBatching`` is the core of our own graph, ``StaticBatching`` that of other graphs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from models.engine.requests import AnyRequest

CoreOutput = tuple[AnyRequest, Any]
"""A request and its answer, or the EngineError that it failed with."""


@dataclass(slots=True)
class ComputeCounts:
    """What a core computed."""

    calls: int = 0
    """Calls of the model."""
    prefill_tokens: int = 0
    """Prompt tokens that went through the model."""
    reused_tokens: int = 0
    """Prompt tokens whose keys and values came from another request's KV slot."""


class ModelInfo(Protocol):
    """Properties of a loaded model, whichever graph it runs."""

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""

    @property
    def context_window(self) -> int:
        """Most tokens of a prompt and its continuation together."""

    @property
    def vocabulary(self) -> int:
        """Number of token ids."""


class EngineCore(Protocol):
    """Requests, waiting and running. All methods are called by the replica's thread."""

    counts: ComputeCounts

    @property
    def model(self) -> ModelInfo:
        """The model that computes."""

    def __len__(self) -> int:
        """Number of requests that need another step."""

    def add(self, requests: Sequence[AnyRequest]) -> None:
        """Queue requests, oldest first."""

    def drop(self, unwanted: Callable[[AnyRequest], bool]) -> list[AnyRequest]:
        """Remove unwanted requests. Returns removed requests that will never be answered."""

    def abort_running(self) -> list[AnyRequest]:
        """Remove the requests that were running when a step raised. Returns them, unanswered."""

    def step(self) -> Iterator[CoreOutput | None]:
        """Do one step of the work.

        Yields outputs as they are ready, and None where the caller may stop. Raises what a call of
        the model raises.
        """
