"""The settings of the experiment, chosen beforehand.

Nothing is tuned on the held-out pairs.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

from models.engine import Sampling
from models.house.settings import Phase, Recipe
from models.training.settings import TrainingSettings
from streams.settings import GenerationSettings


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """Amounts of data, training and measurement.

    The field names are part of the identity of an experiment (``digest``).
    """

    # Data. Rows of Dolly are used if they have no context and are long enough.
    seeds: int = 400
    """Human pairs that are trained on."""
    unlabelled: int = 1200
    """Responses of other rows without their instructions, which are used for measuring only."""
    passages: int = 400
    """Passages of technical documentation among the unlabelled."""
    held_out: int = 300
    """Pairs that are measured on, all from the last ``last_rows`` rows."""
    last_rows: int = 1000
    """Rows at the end of the data that are never trained on, as in the house model's recipe."""
    validation: int = 200
    """Pairs on which the learning rate is chosen; neither trained nor measured on."""
    response_characters: tuple[int, int] = (80, 2500)
    passage_characters: tuple[int, int] = (600, 2000)
    instruction_words: int = 4
    """Lowest number of words of an instruction: the curator refuses shorter ones."""

    # The base: the house model's architecture, trained on text alone.
    vocabulary: int = 4096
    layers: int = 5
    width: int = 320
    feed_forward: int = 864
    heads: int = 5
    base_tokens: int = 9_000_000
    base_cooling: float = 0.4
    """Share of the training, at its end, over which the learning rates fall to zero."""
    base_documentation: float = 0.5
    """Share of its texts that are passages of documentation.

    The others are contexts and responses of Dolly.
    """
    base_texts: int | None = None
    """Number of texts of each kind, the first ones; None for all."""
    base_seed: int = 11
    checkpoint_minutes: float = 2.0

    # Fine-tuning: the trainer's settings, except these.
    training_seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the order, the grades and the random subset.

    Everything from M0 on is done once for each.
    """
    rates: tuple[float, ...] = (3e-4, 1e-3, 2e-3)
    """Learning rates, of which the best one for M0 is used for all models.

    It is chosen by the mean of both NLLs on validation pairs.
    """
    seed_only_tokens: int = 300_000
    tokens: int = 450_000
    """Tokens of every other model.

    The seed-only control sees its pairs more often, so that it is trained for as long.
    """
    longest: int = 640
    """Tokens of the longest sequence."""

    # Writing, rating, curating.
    temperature: float = GenerationSettings().temperature
    curated_share: float = 0.25
    """Share of the candidates that reach the threshold, before the curator's other rules.

    A share is used instead of a fixed rating, because the ratings of a small model are not on an
    absolute scale, and sets of equal size can be compared.
    """
    thresholds: tuple[float, ...] = (3.0, 3.5, 4.0, 4.5)
    shares: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)
    """Thresholds and shares of the table of quality."""

    # Measuring.
    measured_unlabelled: int = 300
    """Unlabelled responses for which every model writes an instruction again."""
    choices: int = 10
    """Number of instructions among which the true one is ranked."""
    resamples: int = 2000
    samples: int = 12
    """Number of candidates that the report shows, the first by hash."""

    def recipe(self) -> Recipe:
        """Return the recipe of the base, as one of the house model."""
        return Recipe(
            vocabulary=self.vocabulary,
            layers=self.layers,
            width=self.width,
            feed_forward=self.feed_forward,
            heads=self.heads,
            key_value_heads=self.heads,
            phases=(
                Phase(
                    self.base_tokens, passages=1.0, forward=0.0, rated=0.0, decay=self.base_cooling
                ),
            ),
            longest=self.longest,
            seed=self.base_seed,
            checkpoint_minutes=self.checkpoint_minutes,
        )

    def training(self, tokens: int, seed: int, rate: float) -> TrainingSettings:
        """Return the settings of one fine-tuning, which ends after ``tokens``."""
        return TrainingSettings(
            rate=rate,
            epochs=100,
            max_tokens=tokens,
            longest=self.longest,
            held_out_share=0.0,
            save_steps=100,
            seed=seed,
        )

    def sampling(self) -> Sampling:
        """Return the sampling of the stream, at this temperature."""
        product = GenerationSettings()
        return Sampling(
            temperature=self.temperature,
            top_p=product.top_p,
            top_k=product.top_k,
            repetition_penalty=product.repetition_penalty,
            max_tokens=product.max_tokens,
        )

    def digest(self) -> str:
        """Return a hash of the settings."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


TINY = LoopSettings(
    seeds=40,
    unlabelled=60,
    passages=20,
    held_out=20,
    validation=20,
    vocabulary=512,
    layers=2,
    width=64,
    feed_forward=128,
    heads=2,
    base_tokens=40_000,
    base_texts=300,
    training_seeds=(0, 1),
    rates=(1e-3, 3e-3),
    seed_only_tokens=10_000,
    tokens=15_000,
    temperature=1.0,
    measured_unlabelled=20,
    resamples=200,
    samples=4,
)
"""Takes about a minute, as a test of the whole run. Its metrics mean nothing."""
