"""Training data of the house model: human pairs and passages of documentation."""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from models.house.contrast import contrast
from models.house.settings import Recipe
from models.house.shorten import shorten
from models.prompts.layout import Prompter
from models.prompts.sequences import SequenceMaker, TrainingSequence, batches
from models.prompts.template import BOTH_TAGS, SEED_TAG
from models.seeds.grades import Grader
from models.seeds.pairs import Pair
from schemas.errors import TrainingError

T = TypeVar("T")

_SHORTEST_RESPONSE = 60
"""Characters below which a response is too short to infer its instruction from."""
_SEED_TAG_SHARE = 0.7
"""Share of forward sequences with the tag of human data; others have both tags, as at inference."""
_COMMON_HEADING = 10
"""Number of passages from which a heading ("Examples", "Notes") names no subject."""


def read_pairs(file: Path) -> list[Pair]:
    """Read the rows of a Dolly-format JSONL file as pairs, in file order."""
    rows = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
    return [
        Pair(row["instruction"].strip(), row["response"].strip(), row["context"].strip())
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Passages:
    """Documentation as pairs of a heading and its passage, split by document."""

    training: list[Pair]
    held_out: list[Pair]
    """Shuffled, so that a few from either end are from many documents."""

    @classmethod
    def read(cls, file: Path, held_out: float) -> "Passages":
        """Read the output of ``backstream segment``: ``source``, ``headings`` and ``text``."""
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        headings = Counter(row["headings"][-1] for row in rows if row["headings"])
        training: list[Pair] = []
        kept_back: list[Pair] = []
        for row in rows:
            heading = row["headings"][-1] if row["headings"] else ""
            pair = Pair(heading if headings[heading] < _COMMON_HEADING else "", row["text"])
            chosen = hashlib.sha256(row["source"].encode()).digest()[0] < 256 * held_out
            (kept_back if chosen else training).append(pair)
        random.Random(0).shuffle(kept_back)
        return cls(training, kept_back)


def sequences(
    recipe: Recipe, index: int, prompter: Prompter, pairs: Sequence[Pair], passages: Sequence[Pair]
) -> Iterator[TrainingSequence]:
    """Yield the sequences of phase ``index`` without end, the same for the same seed.

    Each epoch is shuffled and graded again.
    """
    phase = recipe.phases[index]
    # Each phase has its own seed: with one for all, short phases would see the same beginning of
    # the data again.
    generator = random.Random(recipe.seed + index)
    maker = SequenceMaker(prompter, recipe.prompt_weight, recipe.rating_weight)
    text_maker = SequenceMaker(prompter, 1.0)
    grader = Grader(pairs, generator)
    answers = [pair for pair in pairs if len(pair.response) >= _SHORTEST_RESPONSE]
    # A context that answers a question is a passage in the style of an encyclopaedia, which is
    # close to the stream's documents.
    answers += [
        Pair(pair.instruction, pair.context) for pair in pairs if 300 <= len(pair.context) <= 3000
    ]
    # A heading that is a question is answered by its passage. Other headings train the model to
    # write headings (docs/decisions/0010-house-model-data.md).
    answers += [pair for pair in passages if pair.instruction.endswith("?")]
    backward, forward, documentation = (
        _shuffled(each, generator) for each in (answers, pairs, passages)
    )
    while True:
        draw = generator.random()
        if draw < phase.passages:
            sequence = text_maker.text(next(documentation).response)
        elif draw < phase.passages + phase.forward:
            sequence = maker.forward(
                next(forward), SEED_TAG if generator.random() < _SEED_TAG_SHARE else BOTH_TAGS
            )
        elif draw < phase.passages + phase.forward + phase.rated:
            graded = grader.draw(next(backward), generator.choice(recipe.grades))
            sequence = contrast(maker, [graded, *grader.negatives(graded, recipe.negatives)])
        else:
            answered = next(backward)
            if generator.random() < phase.shortened:
                answered = shorten(answered, generator)
            sequence = maker.backward(answered)
        if len(sequence.ids) <= recipe.longest:
            yield sequence


def training_batches(
    recipe: Recipe, index: int, prompter: Prompter, pairs: Sequence[Pair], passages: Sequence[Pair]
) -> Iterator[list[TrainingSequence]]:
    """Yield the sequences of a phase in batches of similar length."""
    return batches(sequences(recipe, index, prompter, pairs, passages), recipe.batch_tokens)


def _shuffled(items: Sequence[T], generator: random.Random) -> Iterator[T]:
    if not items:
        raise TrainingError(
            "the data lacks pairs, responses of at least 60 characters, or passages: all three are "
            "needed"
        )
    while True:
        yield from generator.sample(items, len(items))
