"""The hyperparameters of a fine-tuning run."""

import hashlib
import json
from dataclasses import asdict, dataclass, field

from models.judging.criterion import Criterion
from models.judging.evidence import EvidenceKind
from models.training.mixing import Mix

SMALL_MODEL = 100_000_000
"""Number of parameters below which the learning rate of small models is used."""
LARGE_MODEL = 1_000_000_000
"""Number of parameters from which adapters are trained by default."""
LORA_RANK = 16
LORA_RATE = 10
"""Learning rate of adapters, as a multiple of that of the whole model."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Hyperparameters of a run.

    From *Self-Alignment with Instruction Backtranslation* (arXiv 2308.06259, section 3.1 and
    appendix): a learning rate of 1e-5 that falls linearly to 0.9 of itself, weight decay 0.1,
    batches of 32 examples, or of 8 under 3,000 examples, loss on the target only, no more data than
    the base can use. A small base, such as the house model, learns nothing at 1e-5, so its rate is
    higher.

    The field names are part of a run's hash (``digest``).
    """

    rate: float | None = None
    """Peak learning rate.

    None for 3e-4 under SMALL_MODEL parameters, else 1e-5; for adapters LORA_RATE times that.
    """
    lora_rank: int | None = None
    """Rank of the adapters that are trained instead of the weights.

    0 for none; None for LORA_RANK from LARGE_MODEL parameters on, else none.
    """
    final_share: float = 0.9
    """Learning rate at the end, as a share of its peak."""
    warm_up: float = 0.05
    """Share of the steps over which the learning rate rises: Adam's first steps are large."""
    weight_decay: float = 0.1
    clip: float = 1.0
    batch: int | None = None
    """Sequences a step; None for 8 under SMALL_SET examples and 32 otherwise."""
    micro_batch: int = 8
    """Sequences in one forward pass of each process."""
    processes: int = 1
    """Number of processes that divide a step, with a GPU each."""

    epochs: int = 2
    """Highest number of passes over the examples."""
    max_tokens: int = 100_000
    """Tokens to train on; the default takes about a minute for the house model on 2 cores."""
    max_steps: int | None = None
    minutes: float | None = None
    """Time after which training stops."""
    longest: int = 1024
    """Highest number of tokens of a sequence; longer ones are left out, never cut."""
    rating_share: float = 0.4
    """Share of the sequences that train the rating, so that it is not forgotten."""
    rating_weight: float = 4.0
    """Loss weight of the digit of a rating; a token of a text has 1."""
    least_ratings: int = 100
    """Lowest number of human ratings that are trained on, held-out ones included."""
    held_out_share: float = 0.2
    """Share of the human seeds and of the human ratings that is held out."""
    measured: int = 200
    """Highest number of held-out seeds that are measured, the first by their ids.

    Of each, two models read two sequences and rate seven labelled pairs.
    """
    evidence: EvidenceKind = EvidenceKind.COMBINED
    threshold: float = 4.0
    target_precision: float | None = None
    """These are what ``criterion`` consists of."""
    mix: Mix = field(default_factory=Mix)
    """Which examples are trained on, and how much each counts."""
    save_steps: int = 25
    """Steps between checkpoints, from which a killed run continues."""
    seed: int = 0

    def rate_for(self, parameters: int, *, adapters: bool = False) -> float:
        """Return the learning rate for a base of this size, or for adapters on it."""
        if self.rate is not None:
            return self.rate
        return (3e-4 if parameters < SMALL_MODEL else 1e-5) * (LORA_RATE if adapters else 1)

    def rank_for(self, parameters: int) -> int:
        """Return the rank of adapters on a base of this size; 0 if its own weights are trained."""
        if self.lora_rank is not None:
            return self.lora_rank
        return LORA_RANK if parameters >= LARGE_MODEL else 0

    def batch_for(self, examples: int) -> int:
        """Return the number of sequences a step for a training set of this size."""
        return self.batch if self.batch is not None else (8 if examples < SMALL_SET else 32)

    @property
    def criterion(self) -> Criterion:
        """How the stream rates, and what it keeps: precision and recall are measured there."""
        return Criterion(self.evidence, self.threshold, self.target_precision)

    def digest(self) -> str:
        """Return a hash of the settings, which is part of a run's id."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


SMALL_SET = 3_000
"""Number of examples below which a step has 8 sequences, as in the paper."""
