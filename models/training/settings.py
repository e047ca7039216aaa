"""Every choice of a fine-tuning run, in one place."""

import hashlib
import json
from dataclasses import asdict, dataclass

SMALL_MODEL = 100_000_000
"""Parameters below which a model takes the rate of a small one."""
LARGE_MODEL = 1_000_000_000
"""Parameters from which a model is trained through adapters, unless asked otherwise."""
LORA_RANK = 16
LORA_RATE = 10
"""An adapter learns best at about ten times the rate of the whole model."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a release is trained.

    From *Self-Alignment with Instruction Backtranslation* (arXiv 2308.06259, section 3.1 and
    appendix): a rate of 1e-5 that falls in a straight line to 0.9 of itself, weight decay 0.1,
    batches of 32 examples, or of 8 under 3,000, loss on the target only, no more data than the base
    can use. A small base, as the house model is, learns nothing at 1e-5: it starts higher.
    """

    rate: float | None = None
    """Learning rate at its highest; None for 3e-4 under SMALL_MODEL parameters, else 1e-5; for
    adapters LORA_RATE times that.
    """
    lora_rank: int | None = None
    """Rank of the adapters that are trained in place of the weights; 0 for none, None for LORA_RANK
    from LARGE_MODEL on.
    """
    final_share: float = 0.9
    """Share of the rate that is left at the end."""
    warm_up: float = 0.05
    """Share of the steps in which the rate rises from zero: Adam's first steps are large."""
    weight_decay: float = 0.1
    clip: float = 1.0
    batch: int | None = None
    """Sequences in a step; None for 8 under SMALL_SET examples and 32 otherwise."""
    micro_batch: int = 8
    """Sequences that go through the model at once, in each process."""
    processes: int = 1
    """That share a step between them, a GPU each."""

    epochs: int = 2
    """At most so many passes over the examples."""
    max_tokens: int = 100_000
    """Ends the data: about a minute for the house model on 2 cores."""
    max_steps: int | None = None
    minutes: float | None = None
    """Ends the run after so much time, wherever it stands."""
    longest: int = 1024
    """Tokens of the longest sequence; longer ones are left out, never cut."""
    rating_share: float = 0.4
    """Share of the sequences that train the rating, so that the scorer does not forget."""
    rating_weight: float = 4.0
    """Loss weight of the one digit of a rating; a token of a text has 1."""
    least_ratings: int = 100
    """Pairs that people must have rated before their ratings are trained on, the held-out ones
    among them.
    """
    held_out_share: float = 0.2
    """Share of the human seeds, and of the pairs that people rated, that is only measured on."""
    measured: int = 500
    """Held-out seeds that are measured at most, the first by their ids: each is read nine times by
    two models.
    """
    threshold: float = 4.0
    """Lowest rating that the curator keeps: what the precision and recall of ratings are measured
    at.
    """
    save_steps: int = 25
    """A run that was killed goes on from the last multiple of this."""
    seed: int = 0

    def rate_for(self, parameters: int, *, adapters: bool = False) -> float:
        """The learning rate for a base of this size, or for adapters on it."""
        if self.rate is not None:
            return self.rate
        return (3e-4 if parameters < SMALL_MODEL else 1e-5) * (LORA_RATE if adapters else 1)

    def rank_for(self, parameters: int) -> int:
        """The rank of adapters on a base of this size; 0 where its own weights are trained."""
        if self.lora_rank is not None:
            return self.lora_rank
        return LORA_RANK if parameters >= LARGE_MODEL else 0

    def batch_for(self, examples: int) -> int:
        """Sequences in a step for a training set of this size."""
        return self.batch if self.batch is not None else (8 if examples < SMALL_SET else 32)

    def digest(self) -> str:
        """Equal for equal settings: part of a run's name."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


SMALL_SET = 3_000
"""Examples below which a step has 8 sequences, as in the paper."""
