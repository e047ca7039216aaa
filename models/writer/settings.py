"""The recipe of the writer: data, mix and hyperparameters."""

from dataclasses import dataclass

from models.training.settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class Recipe:
    """Data and training of the writer. ``TrainingSettings`` explains the optimiser's part."""

    held_out: int = 1000
    """Number of last rows of the instruction data, which are never trained on."""
    validation: int = 25
    """Every row of this number, of the others, is left out to compare recipes on."""
    shortest: int = 60
    """Characters below which a response is too short to infer its instruction from."""

    commonest: float = 300.0
    """Number of instructions with one first word from which their share is lowered.

    A row is drawn in proportion to the square root of this number by that of its first word,
    within the two limits below.
    """
    least_share: float = 0.5
    most_share: float = 3.0
    given_share: float = 0.25
    """Share of the rows with a context that are trained backward: the stream has few of them."""
    documentation_copies: int = 3
    """How often an epoch has each instruction of ``documentation.jsonl`` backward."""
    seed_copies: int = 2
    """How often an epoch has each of the project's seeds backward."""
    heading_share: float = 0.4
    """Share of rows that get the name of their subject as a heading."""
    headless_share: float = 0.2
    """Share of the instructions of ``documentation.jsonl`` that are trained without headings."""
    forward_share: float = 0.7
    """Share of the pairs that an epoch has forward."""
    seed_tag_share: float = 0.7
    """Share of forward sequences with the tag of human data; others have both tags."""
    ratings: int = 4000
    """Graded pairs of an epoch."""
    negative_share: float = 0.25
    """Share of ratings of hard negatives, on top of those that the grades have."""
    empty_share: float = 0.03
    """Share of sequences with an empty slot: what the model expects of nothing in particular.

    A gain in likelihood is measured against it.
    """
    longest: int = 1024
    """Highest number of tokens of a sequence; longer ones are left out, never cut."""
    response_weight: float = 0.25
    """Loss weight of a token of a response; one of an instruction has 1."""
    rating_weight: float = 10.0
    """Loss weight of the digit of a rating."""

    rate: float = 1e-3
    epochs: int = 4
    rank: int = 16
    batch: int = 64
    micro_batch: int = 32
    save_steps: int = 100
    seed: int = 7

    def training(self, **changes: object) -> TrainingSettings:
        """Return the settings of the trainer: linear decay to zero, no weight decay to speak of."""
        chosen = {
            "rate": self.rate,
            "lora_rank": self.rank,
            "final_share": 0.0,
            "warm_up": 0.03,
            "weight_decay": 0.01,
            "batch": self.batch,
            "micro_batch": self.micro_batch,
            "epochs": self.epochs,
            "longest": self.longest,
            "rating_weight": self.rating_weight,
            "save_steps": self.save_steps,
            "seed": self.seed,
        }
        return TrainingSettings(**(chosen | changes))  # type: ignore[arg-type]
