"""Ranks instructions by the likelihood that a response adds to them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.export.likelihood import GraphScorer
from models.prompts.layout import Prompter
from models.seeds.pairs import Pair


@dataclass(frozen=True, slots=True)
class InstructionRanking:
    """Negative log-likelihoods of N instructions, their end included, given each of N responses."""

    conditional: np.ndarray
    """[N, N] nats: row r, column i is instruction i given response r."""
    unconditional: np.ndarray
    """[N] nats of each instruction given no response."""
    tokens: np.ndarray
    """[N] tokens of each instruction."""

    @classmethod
    def measure(
        cls, model: GraphScorer, prompter: Prompter, pairs: Sequence[Pair]
    ) -> "InstructionRanking":
        """Score every instruction after every response, without the contexts of the pairs.

        Each response is prefilled once.
        """
        targets = [prompter.target(pair.instruction) for pair in pairs]
        conditional = np.stack(
            [model.nats(prompter.backward(pair.response), targets) for pair in pairs]
        )
        return cls(
            conditional,
            model.nats(prompter.backward(""), targets),
            np.array([len(target) for target in targets]),
        )

    @property
    def own(self) -> np.ndarray:
        """[N] nats of each instruction given its own response."""
        return np.diagonal(self.conditional)

    @property
    def other(self) -> np.ndarray:
        """[N] mean nats of each instruction given the other responses."""
        return (self.conditional.sum(0) - self.own) / (len(self.tokens) - 1)

    def first_of(self, count: int) -> np.ndarray:
        """Return [N] probabilities that an instruction ranks first among ``count``.

        The others are ``count`` - 1 random instructions. They are ranked by gain given the response
        of the first: the NLL a token without the response less the NLL with it. A tie is a loss.
        """
        gains = (self.unconditional - self.conditional) / self.tokens
        better = (gains >= np.diagonal(gains)[:, None]).sum(1) - 1
        others = len(self.tokens) - 1
        return np.array(
            [math.comb(others - int(b), count - 1) / math.comb(others, count - 1) for b in better]
        )
