"""The evidence about a pair: figures that a language model's likelihoods and digits give.

An instruction and a response that belong together make each other more likely than an empty slot
does. Where in the response the gain falls, and how likely its first and last tokens are, tells what
is wrong with it. Log-likelihoods are in nats; a gain is how many nats the other part saves.
(Related: IFD, arXiv 2308.12032; Superfiltering, arXiv 2402.00530.)
"""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum

from models.prompts.tasks.rating import DIGITS

Evidence = Mapping[str, float]
"""Figures of a pair by name, all finite."""
_LEAST_MASS = 1e-6

LIKELIHOOD_FIGURES = {
    "forward_gain": "nats a token that the instruction saves on the response",
    "forward_gain_sum": "the same over the whole response, g as sign(g) log(1 + |g|)",
    "forward_gain_head": "the same a token, over the first 20 tokens",
    "forward_gain_tail": "the same a token, over the last 20 tokens",
    "backward_gain": "nats a token that the response saves on the instruction",
    "backward_gain_sum": "the same over the whole instruction, g as sign(g) log(1 + |g|)",
    "response_given": "log-likelihood of the response given the instruction, a token",
    "response_alone": "log-likelihood of the response given an empty instruction, a token",
    "response_head": "log-likelihood of the first 20 tokens given the instruction, a token",
    "response_tail": "log-likelihood of the last 20 tokens given the instruction, a token",
    "response_end": "log-likelihood of the end of the response after its last token",
    "instruction_given": "log-likelihood of the instruction given the response, a token",
    "instruction_alone": "log-likelihood of the instruction given an empty response, a token",
    "response_tokens": "logarithm of the number of tokens of the response",
    "instruction_tokens": "logarithm of the number of tokens of the instruction",
}
"""Figures that are computed from likelihoods, with their meaning."""

DIGIT_FIGURES = {
    "digit": "expected value of the digits 1 to 5 after the rating prompt",
    "digit_square": "square of the distance of that from 3",
    "digit_mass": "logarithm of the probability of the five digits together",
}
"""Figures that are computed from the rating prompt, with their meaning."""


class EvidenceKind(StrEnum):
    """Which figures a rating is made from."""

    COMBINED = "combined"
    LIKELIHOOD = "likelihood"
    DIGITS = "digits"

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of the figures, in the order of a judge's weights."""
        likelihood = () if self is EvidenceKind.DIGITS else tuple(LIKELIHOOD_FIGURES)
        digits = () if self is EvidenceKind.LIKELIHOOD else tuple(DIGIT_FIGURES)
        return likelihood + digits


def digit_figures(probabilities: Sequence[float], mass: float) -> dict[str, float]:
    """The figures of DIGIT_FIGURES. ``probabilities`` are those of '1' to '5' and sum to 1."""
    digit = expected_grade(probabilities)
    return {
        "digit": digit,
        "digit_square": (digit - 3) ** 2,
        "digit_mass": math.log(max(mass, _LEAST_MASS)),
    }


def expected_grade(probabilities: Sequence[float]) -> float:
    """Expected value of five probabilities, those of the grades 1 to 5."""
    return sum(int(grade) * p for grade, p in zip(DIGITS, probabilities, strict=True))
