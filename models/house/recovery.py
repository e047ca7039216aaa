"""How well a model finds the instruction that a response answers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.export.likelihood import GraphScorer
from models.prompts.layout import Prompter
from models.seeds.pairs import Pair


@dataclass(frozen=True, slots=True)
class Recovery:
    """Nats of every instruction, its end included, after every response. ``tokens`` and ``alone``
    are [N].
    """

    after: np.ndarray
    """[N, N]: row r, column i is instruction i after response r."""
    alone: np.ndarray
    """After no response."""
    tokens: np.ndarray

    @classmethod
    def measure(cls, model: GraphScorer, prompter: Prompter, pairs: Sequence[Pair]) -> "Recovery":
        """Every response is read once, every instruction after each. The pairs' contexts are not
        shown.
        """
        targets = [prompter.target(pair.instruction) for pair in pairs]
        after = np.stack([model.nats(prompter.backward(pair.response), targets) for pair in pairs])
        return cls(
            after,
            model.nats(prompter.backward(""), targets),
            np.array([len(target) for target in targets]),
        )

    @property
    def own(self) -> np.ndarray:
        """[N]: nats of each instruction after its own response."""
        return np.diagonal(self.after)

    @property
    def other(self) -> np.ndarray:
        """[N]: mean nats of each instruction after the other responses."""
        return (self.after.sum(0) - self.own) / (len(self.tokens) - 1)

    def first_of(self, count: int) -> np.ndarray:
        """[N]: the chance that an instruction gains more from its own response than ``count`` - 1
        others drawn at random.

        The gain is the NLL a token without the response less the NLL with it. A tie is a loss.
        """
        gains = (self.alone - self.after) / self.tokens
        better = (gains >= np.diagonal(gains)[:, None]).sum(1) - 1
        rivals = len(self.tokens) - 1
        return np.array(
            [math.comb(rivals - int(b), count - 1) / math.comb(rivals, count - 1) for b in better]
        )
