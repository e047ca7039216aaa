"""Training sequences: token ids, each with a loss weight. The prompts are those of inference, to
the id.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.prompts.layout import Prompter
from models.prompts.templates import SEED_TAG
from models.seeds.pairs import Pair


@dataclass(frozen=True, slots=True)
class TrainingSequence:
    """One training sequence. ``weights[i]`` is the loss weight of predicting ``ids[i]``; the first
    is never predicted.
    """

    ids: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SequenceMaker:
    """Turns pairs into training sequences for one checkpoint.

    ``prompt_weight`` is the loss weight of a prompt token (a target token has 1), ``rating_weight``
    that of the one digit of a rating.
    """

    prompter: Prompter
    prompt_weight: float = 0.0
    rating_weight: float = 1.0

    def forward(self, pair: Pair, tag: str = SEED_TAG) -> TrainingSequence:
        """Instruction → response, under ``tag``."""
        prompt = self.prompter.forward(pair.instruction, pair.context, tag)
        return self._weigh(prompt, self.prompter.target(pair.response))

    def backward(self, pair: Pair) -> TrainingSequence:
        """Response → instruction."""
        return self._weigh(
            self.prompter.backward(pair.response, pair.context),
            self.prompter.target(pair.instruction),
        )

    def rating(
        self, pair: Pair, grade: int, instruction_weight: float | None = None
    ) -> TrainingSequence:
        """Response and instruction → the digit of ``grade``, 1 to 5.

        With ``instruction_weight``, what the rating prompt adds to the backward one has that
        weight, so that a true pair teaches its instruction in the same pass. Only for the
        ``markers`` family, where one prompt continues the other.
        """
        prompt = self.prompter.rating(pair.instruction, pair.response, pair.context)
        weights = [self.prompt_weight] * len(prompt)
        if instruction_weight is not None:
            start = len(self.prompter.backward(pair.response, pair.context))
            weights[start:] = [instruction_weight] * (len(prompt) - start)
        return TrainingSequence(
            (*prompt, self.prompter.digit_ids[grade - 1]), (*weights, self.rating_weight)
        )

    def text(self, text: str) -> TrainingSequence:
        """Plain text, every token a target."""
        return self._weigh([], self.prompter.target(text))

    def _weigh(self, prompt: Sequence[int], target: Sequence[int]) -> TrainingSequence:
        return TrainingSequence(
            (*prompt, *target), (self.prompt_weight,) * len(prompt) + (1.0,) * len(target)
        )


def batches(
    sequences: Iterator[TrainingSequence], batch_tokens: int, pool: int = 256
) -> Iterator[list[TrainingSequence]]:
    """Batches of like length, so that little is padding: ``pool`` sequences are sorted, cut and
    shuffled at a time.

    A batch holds at most ``batch_tokens`` tokens, padding included, unless one sequence alone is
    longer. ``sequences`` must not end.
    """
    shuffler = random.Random(pool)
    while True:
        drawn = sorted((next(sequences) for _ in range(pool)), key=lambda s: len(s.ids))
        cut: list[list[TrainingSequence]] = []
        batch: list[TrainingSequence] = []
        for sequence in drawn:
            if batch and (len(batch) + 1) * len(sequence.ids) > batch_tokens:
                cut.append(batch)
                batch = []
            batch.append(sequence)
        cut.append(batch)
        shuffler.shuffle(cut)
        yield from cut
