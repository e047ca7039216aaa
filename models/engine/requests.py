"""A call on its way from the caller's event loop to a replica's thread and back."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from models.engine.sampling import Choice
from models.sampling import Sampling
from schemas.errors import EngineError

R = TypeVar("R")


class RequestKind(Enum):
    """What a request needs."""

    PREFILL = "prefill"
    """A prefill alone: a rating or a score."""
    GENERATION = "generation"
    """A prefill, and a decode for each new token."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What a model generated."""

    ids: tuple[int, ...]
    """The new tokens, without the stop token."""
    stop: int | None
    """The stop token that ended it; None where ``max_tokens`` did."""

    @property
    def finished(self) -> bool:
        """Whether a stop token ended it."""
        return self.stop is not None


@dataclass(eq=False, kw_only=True, slots=True)
class Request(ABC, Generic[R]):
    """One call. ``future`` belongs to ``loop``; other threads use ``resolve`` and ``fail``."""

    prompt: tuple[int, ...]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[R]"
    priority: int = 0
    """Lower goes first: 0 for live records, more for work that can wait."""
    cancelled: bool = False
    """Set when the caller no longer waits. The engine drops the request at its next step."""

    @property
    @abstractmethod
    def kind(self) -> RequestKind:
        """Which requests it may share a static batch with."""

    @property
    def prefilled(self) -> tuple[int, ...]:
        """The tokens to prefill."""
        return self.prompt

    @property
    def length(self) -> int:
        """Number of tokens to prefill."""
        return len(self.prompt)

    async def answer(self) -> R:
        """Wait for the answer. Raises EngineError where the engine could not give one."""
        try:
            return await self.future
        except asyncio.CancelledError:
            self.cancelled = True
            raise

    def resolve(self, answer: R) -> None:
        """Deliver the answer to the caller, from any thread."""
        self._deliver(lambda: self.future.set_result(answer))

    def fail(self, error: EngineError) -> None:
        """Raise an error where the caller waits, from any thread."""
        self._deliver(lambda: self.future.set_exception(error))

    def _deliver(self, settle: Callable[[], None]) -> None:
        def settle_once() -> None:
            if not self.future.done():
                settle()

        try:
            self.loop.call_soon_threadsafe(settle_once)
        except RuntimeError:  # the caller's loop is closed
            self.cancelled = True


@dataclass(eq=False, kw_only=True, slots=True)
class ChoiceRequest(Request[Choice]):
    """A prompt after which one of several tokens is expected."""

    option_ids: tuple[int, ...]

    @property
    def kind(self) -> RequestKind:
        """A prefill alone."""
        return RequestKind.PREFILL


@dataclass(eq=False, kw_only=True, slots=True)
class ScoreRequest(Request[tuple[float, ...]]):
    """A prompt, and a text after it whose tokens' probabilities are asked for."""

    target: tuple[int, ...]
    """At least one token."""

    @property
    def kind(self) -> RequestKind:
        """A prefill alone."""
        return RequestKind.PREFILL

    @property
    def prefilled(self) -> tuple[int, ...]:
        """The prompt and the target but its last token, after which nothing is asked."""
        return self.prompt + self.target[:-1]

    @property
    def length(self) -> int:
        """Number of tokens to prefill."""
        return len(self.prompt) + len(self.target) - 1


@dataclass(eq=False, kw_only=True, slots=True)
class GenerationRequest(Request[Generation]):
    """A prompt to continue until a stop token."""

    sampling: Sampling
    stop_ids: frozenset[int]

    @property
    def kind(self) -> RequestKind:
        """A generation."""
        return RequestKind.GENERATION


AnyRequest = ChoiceRequest | ScoreRequest | GenerationRequest
