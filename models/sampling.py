"""How the tokens of a generation are chosen, by any model."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the tokens of one generation are chosen. Raises ValueError where a value is out of range.

    The repetition penalty (CTRL, arXiv 1909.05858) applies to generated tokens only. In
    transformers it also applies to the prompt; but an instruction should take its words from the
    passage that it asks about. Then, unless greedy: temperature, the ``top_k`` most probable
    tokens, and of these the fewest that hold ``top_p`` of the probability.
    """

    temperature: float = 0.0
    """0 is greedy: ``top_p``, ``top_k`` and ``seed`` then have no effect."""
    top_p: float = 1.0
    """Share of probability to sample from, over 0 and up to 1."""
    top_k: int = 0
    """How many tokens to sample from; 0 is all of them."""
    repetition_penalty: float = 1.0
    """Over 1 makes generated tokens less probable to repeat; 1 is off."""
    max_tokens: int = 96
    """Most tokens to generate."""
    seed: int = 0
    """The only source of random numbers; 0 to 2**64 - 1."""
    first: tuple[tuple[int, float], ...] = ()
    """Ids that the first token is drawn from, each with a weight over 0; empty for any token.

    The draw is by weight times the square root of the probability: the root lets less probable
    tokens be drawn more often than a sample would. The other settings have no effect on it.
    """
    first_least: float = 0.0
    """Share of the most probable token's probability below which a token of ``first`` is not drawn.

    0 to 1. Where all of them are below it, the first token is chosen like the others.
    """

    def __post_init__(self) -> None:
        checks = (
            (math.isfinite(self.temperature) and self.temperature >= 0, "temperature", "0 or more"),
            (0 < self.top_p <= 1, "top_p", "over 0 and at most 1"),
            (self.top_k >= 0, "top_k", "0 or more"),
            (
                math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0,
                "repetition_penalty",
                "over 0",
            ),
            (self.max_tokens >= 1, "max_tokens", "1 or more"),
            (0 <= self.seed < 2**64, "seed", "0 to 2**64 - 1"),
            (
                all(math.isfinite(weight) and weight > 0 for _, weight in self.first),
                "first",
                "ids with weights over 0",
            ),
            (0 <= self.first_least <= 1, "first_least", "from 0 to 1"),
        )
        for valid, name, wanted in checks:
            if not valid:
                raise ValueError(f"{name} is {getattr(self, name)!r}: it must be {wanted}")
