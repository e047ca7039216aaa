"""The settings of the experiment, chosen beforehand.

Nothing is tuned on the held-out pairs.
"""

from dataclasses import dataclass, replace

from models.sampling import Sampling
from models.training.settings import TrainingSettings
from streams.settings import GenerationSettings


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """Amounts of data, training and measurement.

    The values are part of the identity of an experiment.
    """

    # Data. Rows of Dolly are used if they have no context and are neither too short nor too long.
    seeds: int = 160
    """Human pairs that are trained on."""
    unlabelled: int = 240
    """Responses of other rows, without their instructions."""
    passages: int = 60
    """Passages of documentation among the unlabelled."""
    held_out: int = 160
    """Pairs that are measured on, all from the last ``last_rows`` rows. A multiple of ``choices``.
    """
    last_rows: int = 1000
    """Rows at the end of the data that are never trained on."""
    response_characters: tuple[int, int] = (80, 500)
    passage_characters: tuple[int, int] = (200, 800)
    instruction_words: int = 4
    """Lowest number of words of an instruction: the curator refuses shorter ones."""

    # Fine-tuning: the trainer's settings, except these.
    training_seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the adapters, the order, the grades and the random set.

    Everything from M0 on is done once for each.
    """
    seed_steps: int = 44
    """Steps of M0: about once over the seeds."""
    steps: int = 66
    """Steps of every other model: about once over seeds and curated pairs."""
    batch: int = 8
    """Sequences a step."""
    rank: int = 16
    """Rank of the adapters."""
    rate: float = 1e-3
    """Learning rate. It is the writer's, which was not chosen on these pairs."""
    rating_share: float = 0.1
    """Share of the sequences that train ratings by digits. The trainer's is 0.4: a rating costs
    twice as many tokens as the other sequences, for one token that is trained on.
    """
    longest: int = 448
    """Tokens of the longest sequence."""
    save_steps: int = 5

    # Writing and curating.
    temperature: float = 0.0
    curated: int = 80
    """Pairs of each curated set."""

    # Judging.
    judge_pairs: int = 32
    """Seeds that the judges of a model are fitted on."""
    judged: int = 60
    """Held-out pairs that are rated, each also with a random and a hard request."""
    thresholds: tuple[float, ...] = (3.0, 3.5, 4.0, 4.5)
    shares: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)
    """Thresholds and shares of the tables of quality."""

    # Measuring.
    choices: int = 10
    """Number of instructions among which the true one is ranked."""
    resamples: int = 2000
    samples: int = 12
    """Number of candidates that the report shows, the first by their ids."""

    def training(self, steps: int, seed: int) -> TrainingSettings:
        """Return the settings of one fine-tuning."""
        return TrainingSettings(
            rate=self.rate,
            lora_rank=self.rank,
            batch=self.batch,
            micro_batch=self.batch,
            epochs=steps * self.batch,  # as many as the steps take
            max_tokens=steps * self.batch * self.longest,
            max_steps=steps,
            longest=self.longest,
            rating_share=self.rating_share,
            held_out_share=0.0,
            save_steps=self.save_steps,
            seed=seed,
        )

    def sampling(self) -> Sampling:
        """Return the sampling of the stream, at this temperature."""
        return replace(GenerationSettings().sampling(), temperature=self.temperature)


TINY = LoopSettings(
    seeds=12,
    unlabelled=12,
    passages=4,
    held_out=8,
    training_seeds=(0,),
    seed_steps=4,
    steps=6,
    batch=4,
    rank=4,
    save_steps=2,
    curated=5,
    judge_pairs=12,
    judged=4,
    choices=4,
    resamples=100,
    samples=3,
)
"""A test of the whole run, with a tiny model. Its results mean nothing."""
