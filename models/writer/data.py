"""Training data of the writer: Dolly, the project's seeds, and written documentation."""

import json
import math
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.house.data import read_pairs
from models.prompts.layout import Prompter
from models.prompts.openings import OPENINGS
from models.prompts.sequences import SequenceMaker, TrainingSequence
from models.prompts.template import BOTH_TAGS, SEED_TAG
from models.seeds import read_seeds, split
from models.seeds.grades import GradedPair, Grader
from models.seeds.pairs import Pair
from models.training.data import by_length
from models.training.leaks import LeakCheck
from models.writer.settings import Recipe
from models.writer.subject import SubjectFinder
from schemas.errors import TrainingError

DOCUMENTATION = Path(__file__).parent / "documentation.jsonl"
"""Passages in the style of reference texts, each with headings and several instructions.

They were written for this recipe: Dolly has hardly any such responses.
"""
_GRADES = (5, 5, 4, 3, 2, 2, 1, 1)
_WORD = re.compile(r"\w+")
_BY_OPENING = frozenset(word.lower() for word in OPENINGS) | {"name", "tell", "provide", "suggest"}
"""First words of which rare ones are drawn more often; rows with others are drawn less."""


@dataclass(frozen=True, slots=True)
class Headed:
    """A pair whose response stands below headings."""

    pair: Pair
    headings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WriterData:
    """Human pairs by their use."""

    pairs: list[Pair]
    """Rows of Dolly to train on."""
    validation: list[Pair]
    """Rows of Dolly that recipes are compared on."""
    held_out: list[Pair]
    """Rows of Dolly that the card's metrics are measured on."""
    seeds: list[Pair]
    """The project's seeds of the training split."""
    documentation: list[Headed]
    leaked: int
    """Number of rows left out, because they are near to one that is not trained on."""

    @classmethod
    def read(cls, dolly: Path, recipe: Recipe) -> "WriterData":
        """Read a Dolly-format JSONL file and the project's own pairs.

        Raises TrainingError where the file has too few rows to hold any out.
        """
        rows = read_pairs(dolly)
        if len(rows) <= recipe.held_out:
            raise TrainingError(
                f"{dolly} has {len(rows):,} rows, of which the last {recipe.held_out:,} are held "
                "out: give the whole file"
            )
        earlier, held_out = rows[: -recipe.held_out], rows[-recipe.held_out :]
        validation = earlier[:: recipe.validation]
        rest = [row for number, row in enumerate(earlier) if number % recipe.validation]
        check = LeakCheck(
            pair for pair in (*validation, *held_out) if pair.instruction and pair.response
        )
        pairs = [
            pair for pair in rest if pair.instruction and pair.response and not check.leaks(pair)
        ]
        seeds = [Pair.of(seed) for seed in split(read_seeds())[0]]
        return cls(pairs, validation, held_out, seeds, read_documentation(), len(rest) - len(pairs))


def read_documentation(file: Path = DOCUMENTATION) -> list[Headed]:
    """Read ``documentation.jsonl``: one item for each instruction."""
    rows = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
    return [
        Headed(Pair(instruction, row["response"]), tuple(row["headings"]))
        for row in rows
        for instruction in row["instructions"]
    ]


def training_sequences(
    data: WriterData, prompter: Prompter, recipe: Recipe
) -> list[TrainingSequence]:
    """Return the sequences of all epochs in training order, the same for the same inputs.

    Each epoch is drawn again: which rows, with which headings, tags and grades. It is shuffled,
    then sorted by length within pools.
    """
    generator = random.Random(recipe.seed)
    maker = SequenceMaker(
        prompter, rating_weight=recipe.rating_weight, response_weight=recipe.response_weight
    )
    epochs = _Epochs(data, maker, recipe, generator)
    ordered: list[TrainingSequence] = []
    for _ in range(recipe.epochs):
        drawn = [each for each in epochs.draw() if len(each.ids) <= recipe.longest]
        generator.shuffle(drawn)
        ordered += by_length(drawn, recipe.micro_batch, generator)
    return ordered


class _Epochs:
    """Draws the sequences of one epoch after another."""

    def __init__(
        self, data: WriterData, maker: SequenceMaker, recipe: Recipe, generator: random.Random
    ) -> None:
        self._data = data
        self._maker = maker
        self._recipe = recipe
        self._random = generator
        every = [*data.pairs, *data.seeds]
        self._answers = [pair for pair in every if len(pair.response) >= recipe.shortest]
        self._grader = Grader(every, generator)
        self._subjects = SubjectFinder([pair.instruction for pair in every])
        self._counts = Counter(first_word(pair.instruction) for pair in data.pairs)

    def draw(self) -> list[TrainingSequence]:
        """The next epoch, in no useful order."""
        return [*self._backward(), *self._forward(), *self._ratings()]

    def _backward(self) -> Iterator[TrainingSequence]:
        recipe, chance = self._recipe, self._random.random
        for pair in self._answers:
            share = self._share(pair) * (recipe.given_share if pair.context else 1.0)
            for _ in range(math.floor(share + chance())):
                yield self._written(Headed(pair, self._subject(pair)))
        for headed in self._data.documentation * recipe.documentation_copies:
            headless = chance() < recipe.headless_share
            yield self._written(Headed(headed.pair, () if headless else headed.headings))
        for pair in self._data.seeds * (recipe.seed_copies - 1):
            yield self._written(Headed(pair, self._subject(pair)))

    def _written(self, headed: Headed) -> TrainingSequence:
        if self._random.random() < self._recipe.empty_share:
            return self._maker.backward(Pair(headed.pair.instruction, ""))
        return self._maker.backward(headed.pair, headed.headings)

    def _forward(self) -> Iterator[TrainingSequence]:
        recipe, chance = self._recipe, self._random.random
        documentation = [headed.pair for headed in self._data.documentation]
        for pair in (*self._data.pairs, *self._data.seeds, *documentation):
            if chance() >= recipe.forward_share:
                continue
            asked = Pair("", pair.response) if chance() < recipe.empty_share else pair
            tag = SEED_TAG if chance() < recipe.seed_tag_share else BOTH_TAGS
            yield self._maker.forward(asked, tag)

    def _ratings(self) -> Iterator[TrainingSequence]:
        recipe, choose = self._recipe, self._random
        for pair in choose.choices(self._answers, k=recipe.ratings):
            if choose.random() < recipe.negative_share:
                graded = choose.choice(self._grader.negatives(GradedPair(pair, 5), 3))
            else:
                graded = self._grader.draw(pair, choose.choice(_GRADES))
            yield self._maker.rating(graded.pair, graded.grade)

    def _share(self, pair: Pair) -> float:
        word, recipe = first_word(pair.instruction), self._recipe
        if word not in _BY_OPENING:
            return recipe.least_share
        share = math.sqrt(recipe.commonest / self._counts[word]) if self._counts[word] else 1.0
        return min(recipe.most_share, max(recipe.least_share, share))

    def _subject(self, pair: Pair) -> tuple[str, ...]:
        if self._random.random() >= self._recipe.heading_share:
            return ()
        subject = self._subjects.find(pair)
        return (subject,) if subject else ()


def first_word(instruction: str) -> str:
    """The first word in lower case; empty where there is none."""
    found = _WORD.search(instruction)
    return found[0].lower() if found else ""
