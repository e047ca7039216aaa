"""ModelRunner of keys and values, as a schedule sees them: what one call of the model does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from models.engine.core import Model
from models.engine.sampling import Logits, Sampler


@dataclass(frozen=True, slots=True)
class Prefill:
    """A part of a prompt, to be appended to a row that holds ``past`` tokens."""

    slot: int
    tokens: Sequence[int]
    past: int
    ends: bool = True
    """Whether the prompt ends with it: then the logits after its last token are wanted."""

    @property
    def wanted(self) -> list[int]:
        """Which of the tokens want logits."""
        return [len(self.tokens) - 1] if self.ends else []


class Decode(NamedTuple):
    """One token, to be appended to a row that holds ``length`` of them. ``sampler`` chooses the one
    after it.
    """

    token: int
    length: int
    sampler: Sampler


class ModelRunner(Model, Protocol):
    """ModelRunner of fixed capacity, numbered from 0. All methods belong to one thread."""

    def run(
        self, prefill: Prefill | None, decodes: Sequence[Decode]
    ) -> tuple[Logits | None, list[int]]:
        """One call of the model: read into a row, and decode in the first rows, of which that one
        is none.

        Returns the logits after the prompt, float32 [vocabulary], where it ends, and the next token
        of each row. Raises EngineError where the computation fails: then no sampler has drawn, and
        the call may be made again.
        """

    def copy(self, source: int, target: int, length: int) -> None:
        """Have a row begin with the first ``length`` tokens of another."""
