"""One call of the model over KV slots, as a protocol."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from models.engine.core import ModelInfo
from models.engine.sampling import Logits, Nats, Sampler


@dataclass(frozen=True, slots=True)
class Prefill:
    """A chunk of a prompt, to append to a KV slot that holds ``past`` tokens."""

    slot: int
    tokens: Sequence[int]
    past: int
    ends: bool = True
    """Whether the prompt ends with this chunk."""
    targets: Sequence[int] = ()
    """Tokens to score. The last follows the last of ``tokens``, the one before it the last but one,
    and so on.
    """

    @property
    def wanted(self) -> Sequence[int]:
        """Indices of the tokens after which something is needed.

        Those that the targets follow; without targets, the last one of a prompt.
        """
        end = len(self.tokens)
        return range(end - (len(self.targets) or self.ends), end)


class Decode(NamedTuple):
    """One token, to append to a KV slot that holds ``length`` tokens."""

    token: int
    length: int
    sampler: Sampler
    """Chooses the next token."""


class ModelRunner(ModelInfo, Protocol):
    """A model and its KV slots, numbered from 0. All methods are called by one thread."""

    def run(
        self, prefill: Prefill | None, decodes: Sequence[Decode]
    ) -> tuple[Logits | Nats | None, list[int]]:
        """Call the model once.

        ``decodes`` use the first slots, in order; the slot of ``prefill`` is behind them. Returns
        what the prefill gives, and the next token of each decode. A prefill with targets gives
        their negative log-probabilities, float32 [targets] in nats; without targets, the logits
        after the prompt, float32 [vocabulary], if it ends with this chunk, else None. Raises
        EngineError where the computation fails: no sampler has drawn a random number then, and the
        call may be repeated.
        """

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the keys and values of the first ``length`` tokens from one slot to another."""
