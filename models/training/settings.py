"""Every choice of a fine-tuning run, in one place."""

import hashlib
import json
from dataclasses import asdict, dataclass

SMALL_MODEL = 100_000_000
"""Parameters below which a model takes the rate of a small one."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a release is trained.

    From *Self-Alignment with Instruction Backtranslation* (arXiv 2308.06259, section 3.1 and appendix): a rate of 1e-5
    that falls in a straight line to 0.9 of itself, weight decay 0.1, batches of 32 examples, or of 8 under 3,000, loss
    on the target only, no more data than the base can use. A small base, as the house model is, learns nothing at
    1e-5: it starts higher.
    """

    rate: float | None = None
    """Learning rate at its highest; None for 3e-4 under SMALL_MODEL parameters and 1e-5 otherwise."""
    final_share: float = 0.9
    """Share of the rate that is left at the end."""
    warm_up: float = 0.05
    """Share of the steps in which the rate rises from zero: Adam's first steps are large."""
    weight_decay: float = 0.1
    clip: float = 1.0
    batch: int | None = None
    """Sequences in a step; None for 8 under SMALL_SET examples and 32 otherwise."""
    micro_batch: int = 8
    """Sequences that go through the model at once."""

    epochs: int = 2
    """At most so many passes over the examples."""
    max_tokens: int = 100_000
    """Ends the data: about a minute for the house model on 2 cores."""
    max_steps: int | None = None
    minutes: float | None = None
    """Ends the run after so much time, wherever it stands."""
    longest: int = 1024
    """Tokens of the longest sequence; longer ones are left out, never cut."""
    rating_share: float = 0.25
    """Share of the sequences that train the rating, so that the scorer does not forget."""
    rating_weight: float = 4.0
    """Loss weight of the one digit of a rating; a token of a text has 1."""
    held_out_share: float = 0.2
    """Share of the human seeds that is only measured on."""
    save_steps: int = 25
    """A run that was killed goes on from the last multiple of this."""
    seed: int = 0

    def rate_for(self, parameters: int) -> float:
        """The learning rate for a base of this size."""
        return self.rate if self.rate is not None else (3e-4 if parameters < SMALL_MODEL else 1e-5)

    def batch_for(self, examples: int) -> int:
        """Sequences in a step for a training set of this size."""
        return self.batch if self.batch is not None else (8 if examples < SMALL_SET else 32)

    def digest(self) -> str:
        """Equal for equal settings: part of a run's name."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


SMALL_SET = 3_000
"""Examples below which a step has 8 sequences, as in the paper."""
