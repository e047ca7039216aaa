"""Every choice of the experiment, made beforehand: nothing is tuned on the pairs that are measured
on.
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
    """What is read, trained and measured, and how much of it."""

    # Data. A row of Dolly takes part where it has no context and both of its sides say enough.
    seeds: int = 400
    """Human pairs that are trained on."""
    unlabelled: int = 1200
    """Responses of other rows, without their instructions; those are kept aside for measuring."""
    passages: int = 400
    """Passages of technical documentation among the unlabelled."""
    held_out: int = 300
    """Pairs that are measured on, all of the last ``last_rows`` rows."""
    last_rows: int = 1000
    """Rows at the end of the data that nothing is trained on, as in the house model's recipe."""
    validation: int = 200
    """Pairs on which the learning rate is chosen; neither trained nor measured on."""
    response_characters: tuple[int, int] = (80, 2500)
    passage_characters: tuple[int, int] = (600, 2000)
    instruction_words: int = 4
    """Fewest words of an instruction: the curator refuses shorter ones."""

    # The base: the house model's shape, trained on text alone.
    vocabulary: int = 4096
    layers: int = 5
    width: int = 320
    feed_forward: int = 864
    heads: int = 5
    base_tokens: int = 9_000_000
    base_cooling: float = 0.4
    """Share of the training, at its end, over which the rates fall to zero."""
    base_documentation: float = 0.5
    """Share of its texts that are passages of documentation; the others are Dolly's contexts and
    responses.
    """
    base_texts: int | None = None
    """Of each kind, the first so many that may be read; None for all."""
    base_seed: int = 11
    checkpoint_minutes: float = 2.0

    # Fine-tuning: the product's settings, but for what stands here.
    training_seeds: tuple[int, ...] = (0, 1, 2)
    """Of the order, the grades, and the random subset. Everything from the first model on is done
    once for each.
    """
    rates: tuple[float, ...] = (3e-4, 1e-3, 2e-3)
    """Learning rates, of which the best for M0 is taken for all: by the mean of both NLLs on
    validation pairs.
    """
    seed_only_tokens: int = 300_000
    tokens: int = 450_000
    """Of every other model: the seed-only control sees its pairs more often, so that it is trained
    for as long.
    """
    longest: int = 640
    """Tokens of the longest sequence."""

    # Writing, rating, curating.
    temperature: float = GenerationSettings().temperature
    curated_share: float = 0.25
    """Share of the candidates that the threshold lets pass, before the curator's other rules. By
    share and not at a fixed rating: the absolute scale of a small model is its own, and sets of one
    size can be compared.
    """
    thresholds: tuple[float, ...] = (3.0, 3.5, 4.0, 4.5)
    shares: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)
    """For the table of quality against threshold."""

    # Measuring.
    measured_unlabelled: int = 300
    """Unlabelled responses for which every model writes an instruction again."""
    choices: int = 10
    """Instructions among which the true one is to be found."""
    resamples: int = 2000
    samples: int = 12
    """Candidates that are shown in the report, the first by hash."""

    def recipe(self) -> Recipe:
        """The base in the words of the house model's recipe."""
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
        """One fine-tuning, ended by its tokens: the passes over the examples are as many as it
        takes.
        """
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
        """How instructions are written: as the stream does."""
        product = GenerationSettings()
        return Sampling(
            temperature=self.temperature,
            top_p=product.top_p,
            top_k=product.top_k,
            repetition_penalty=product.repetition_penalty,
            max_tokens=product.max_tokens,
        )

    def digest(self) -> str:
        """Equal for equal settings."""
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
"""The same in about a minute, to see that everything works. Its figures mean nothing."""
