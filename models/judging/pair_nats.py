"""The likelihoods of a pair's tokens, and the figures that they give."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.judging.evidence import LIKELIHOOD_FIGURES

Nats = Sequence[float] | NDArray[np.float32]
"""Of each token of a text."""

_EDGE = 20
"""Tokens of the head and of the tail of a response."""


@dataclass(frozen=True, slots=True)
class PairNats:
    """Negative log-likelihoods of a pair's tokens, with and without the other part.

    The last token of each is the one that ends it. None may be empty.
    """

    response_given: Nats
    response_alone: Nats
    instruction_given: Nats
    instruction_alone: Nats

    def figures(self) -> dict[str, float]:
        """The figures of LIKELIHOOD_FIGURES."""
        given, alone = np.asarray(self.response_given), np.asarray(self.response_alone)
        asked, unasked = np.asarray(self.instruction_given), np.asarray(self.instruction_alone)
        gain, asked_gain = alone - given, unasked - asked
        found = (
            gain.mean(),
            _compressed(gain.sum()),
            gain[:_EDGE].mean(),
            gain[-_EDGE:].mean(),
            asked_gain.mean(),
            _compressed(asked_gain.sum()),
            -given.mean(),
            -alone.mean(),
            -given[:_EDGE].mean(),
            -given[-_EDGE:].mean(),
            -given[-1],
            -asked.mean(),
            -unasked.mean(),
            math.log(len(given)),
            math.log(len(asked)),
        )
        return {name: float(value) for name, value in zip(LIKELIHOOD_FIGURES, found, strict=True)}


def _compressed(value: float) -> float:
    return math.copysign(math.log1p(abs(value)), value)
