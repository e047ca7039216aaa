"""Training sequences: token ids with loss weights. The prompt ids are those of inference."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.prompts.layout import Prompter
from models.prompts.template import SEED_TAG
from models.seeds.pairs import Pair


@dataclass(frozen=True, slots=True)
class TrainingSequence:
    """One training sequence."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]
    """``weights[i]`` is the loss weight of predicting ``ids[i]``; ``weights[0]`` is not used."""


@dataclass(frozen=True, slots=True)
class SequenceMaker:
    """Turns pairs into training sequences for one checkpoint."""

    prompter: Prompter
    prompt_weight: float = 0.0
    """Loss weight of a prompt token. That of a target token is 1."""
    rating_weight: float = 1.0
    """Loss weight of the digit of a rating."""
    response_weight: float = 1.0
    """Loss weight of a token of a response. It has many more tokens than an instruction."""

    def forward(self, pair: Pair, tag: str = SEED_TAG, weight: float = 1.0) -> TrainingSequence:
        """Instruction → response, under ``tag``. ``weight`` multiplies the response's weight."""
        prompt = self.prompter.forward(pair.instruction, pair.context, tag, pair.turns)
        target = self.prompter.target(pair.response)
        return self._weigh(prompt, target, self.response_weight * weight)

    def backward(self, pair: Pair, headings: Sequence[str] = ()) -> TrainingSequence:
        """Response, below ``headings`` → instruction."""
        return self._weigh(
            self.prompter.backward(pair.response, pair.context, headings, pair.turns),
            self.prompter.target(pair.instruction),
        )

    def rating(
        self, pair: Pair, grade: int, instruction_weight: float | None = None
    ) -> TrainingSequence:
        """Response and instruction → the digit of ``grade``, 1 to 5.

        ``instruction_weight`` is the loss weight of the tokens that the rating prompt adds to the
        backward prompt. A true pair then also trains on its instruction. Only for the ``markers``
        family, where the rating prompt continues the backward one.
        """
        prompt = self.prompter.rating(pair.instruction, pair.response, pair.context, pair.turns)
        weights = [self.prompt_weight] * len(prompt)
        if instruction_weight is not None:
            start = len(self.prompter.backward(pair.response, pair.context, turns=pair.turns))
            weights[start:] = [instruction_weight] * (len(prompt) - start)
        return TrainingSequence(
            (*prompt, self.prompter.digit_ids[grade - 1]), (*weights, self.rating_weight)
        )

    def text(self, text: str) -> TrainingSequence:
        """Plain text; every token is a target."""
        return self._weigh([], self.prompter.target(text))

    def _weigh(
        self, prompt: Sequence[int], target: Sequence[int], weight: float = 1.0
    ) -> TrainingSequence:
        return TrainingSequence(
            (*prompt, *target), (self.prompt_weight,) * len(prompt) + (weight,) * len(target)
        )


def batches(
    sequences: Iterator[TrainingSequence], batch_tokens: int, pool: int = 256
) -> Iterator[list[TrainingSequence]]:
    """Yield batches of similar length, to save padding.

    ``pool`` sequences at a time are sorted by length, cut into batches and shuffled. A batch has at
    most ``batch_tokens`` tokens, padding included, unless a single sequence is longer.
    ``sequences`` must be infinite.
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
