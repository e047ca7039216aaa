"""What a run trains on: sequences of seeds and curated examples, in a fixed order. No torch."""

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rapidfuzz.distance import Indel
from rapidfuzz.process import extractOne

from models.evaluation.human_ratings import RatedPair
from models.evaluation.rouge import NEAR, words
from models.prompts.layout import Prompter
from models.prompts.sequences import SequenceMaker, TrainingSequence
from models.prompts.templates import AUGMENTED_TAG, SEED_TAG
from models.seeds import split
from models.seeds.grades import Grader
from models.seeds.jsonl import read_records
from models.seeds.pairs import Pair
from models.training.settings import TrainingSettings
from schemas.errors import TrainingError
from schemas.ids import hash_fraction
from schemas.records import Example, ExampleOrigin

_GRADES = (5, 5, 4, 3, 2, 2, 1, 1)
"""How often each grade is drawn. Most of what a scorer must tell apart is right from wrong; with
more of the best grades every rating rises.
"""
_RATINGS_OF_A_SEED = 4
"""In an epoch, at most."""
_SPACE = re.compile(r"\s+")
_POOL = 16
"""Batches that are sorted by length together, so that little is padding."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Examples, told apart by what they are for."""

    seeds: tuple[Example, ...]
    """Human; trained on, and graded for the ratings."""
    held_out: tuple[Example, ...]
    """Human; measured on, never trained on."""
    augmented: tuple[Example, ...]
    """The loop's."""
    leaked: int = 0
    """Examples left out, because they are near to one that is measured on."""
    rated: tuple[RatedPair, ...] = ()
    """Rated by people; the ratings are calibrated to them, and trained on where they are many."""
    rated_held_out: tuple[RatedPair, ...] = ()
    """Rated by people; measured on, never trained on."""
    rated_leaked: int = 0
    """Rated pairs left out, because they are near to a held-out seed or are a held-out rated pair
    once more.
    """


def read_examples(file: Path) -> list[Example]:
    """Examples as JSON lines. Raises TrainingError naming the line that is not one."""
    return read_records(file, Example, "an example")


def divide(
    examples: Iterable[Example], held_out_share: float, rated: Iterable[RatedPair] = ()
) -> TrainingSet:
    """Seeds for training, seeds for measuring, and the loop's examples, each id once, in the order
    of the ids.

    An example whose instruction is near to that of a held-out seed (ROUGE-L), or whose response is
    that of one, is left out and counted: it would make the measure a lie. ``rated`` pairs are
    divided by the hash of their ids as seeds are, and left out as examples are. Raises
    TrainingError where too few seeds are left on either side.
    """
    by_id = {example.id: example for example in examples}
    ordered = [by_id[id] for id in sorted(by_id)]
    every_seed, held_out = split(
        (e for e in ordered if e.origin is ExampleOrigin.SEED), held_out_share
    )
    every_augmented = [e for e in ordered if e.origin is ExampleOrigin.AUGMENTED]
    leaks = _LeakCheck(held_out)
    seeds, augmented = (
        [e for e in examples if not leaks.leaks(e.instruction, e.response)]
        for examples in (every_seed, every_augmented)
    )
    if len(held_out) < 2 or len(seeds) < 2:
        raise TrainingError(
            f"{len(seeds)} human seeds to train on and {len(held_out)} held out are too few: "
            "at least 2 of each are needed; add seeds"
        )
    leaked = len(every_seed) + len(every_augmented) - len(seeds) - len(augmented)
    every_rated = sorted(rated, key=lambda each: each.id)
    rated_held_out = [each for each in every_rated if hash_fraction(each.id) < held_out_share]
    secret = {(_fold(each.pair.instruction), _fold(each.pair.response)) for each in rated_held_out}
    fitted = [
        each
        for each in every_rated
        # The same passage under another release has another id, so the same pair may stand on both
        # sides.
        if (_fold(each.pair.instruction), _fold(each.pair.response)) not in secret
        and not leaks.leaks(each.pair.instruction, each.pair.response)
    ]
    rated_leaked = sum(hash_fraction(each.id) >= held_out_share for each in every_rated) - len(
        fitted
    )
    return TrainingSet(
        tuple(seeds),
        tuple(held_out),
        tuple(augmented),
        leaked,
        tuple(fitted),
        tuple(rated_held_out),
        rated_leaked,
    )


class _LeakCheck:
    """Finds pairs that give away what is measured on."""

    def __init__(self, held_out: Sequence[Example]) -> None:
        self._responses = {_fold(example.response) for example in held_out}
        self._instructions = [words(example.instruction) for example in held_out]

    def leaks(self, instruction: str, response: str) -> bool:
        """Whether a pair is near to a held-out one."""
        if _fold(response) in self._responses:
            return True
        # Indel's similarity of two lists is their ROUGE-L F1; with a cutoff most are told apart by
        # their lengths.
        asked = words(instruction)
        found = extractOne(
            asked, self._instructions, scorer=Indel.normalized_similarity, score_cutoff=NEAR
        )
        return found is not None


def sequences(
    data: TrainingSet, prompter: Prompter, settings: TrainingSettings, context: int
) -> list[TrainingSequence]:
    """The run's sequences, in training order: the same for the same inputs, so that a killed run
    can go on.

    Each epoch has every example forward, under the tag of its origin, and backward, ratings of
    graded seeds, and people's ratings where they are many; it is shuffled, then sorted by length
    within pools. ``context`` is the model's window in tokens. Raises TrainingError where nothing
    fits.
    """
    generator = random.Random(settings.seed)
    maker = SequenceMaker(prompter, rating_weight=settings.rating_weight)
    grader = Grader([Pair.of(seed) for seed in data.seeds], generator)
    longest = min(settings.longest, context)
    chosen: list[TrainingSequence] = []
    tokens = 0
    for _ in range(settings.epochs):
        drawn = [
            s for s in _epoch(data, maker, grader, generator, settings) if len(s.ids) <= longest
        ]
        generator.shuffle(drawn)
        for sequence in drawn:
            if tokens + len(sequence.ids) > settings.max_tokens and chosen:
                return _by_length(chosen, settings.micro_batch, generator)
            chosen.append(sequence)
            tokens += len(sequence.ids)
    if not chosen:
        raise TrainingError(
            f"no example is within {longest:,} tokens: raise the longest length or take "
            "shorter examples"
        )
    return _by_length(chosen, settings.micro_batch, generator)


def _epoch(
    data: TrainingSet,
    maker: SequenceMaker,
    grader: Grader,
    generator: random.Random,
    settings: TrainingSettings,
) -> list[TrainingSequence]:
    drawn: list[TrainingSequence] = []
    for tag, examples in ((SEED_TAG, data.seeds), (AUGMENTED_TAG, data.augmented)):
        for example in examples:
            pair = Pair.of(example)
            drawn += [maker.forward(pair, tag), maker.backward(pair)]
    # Only people's pairs are graded: the loop's own ratings must not teach the next scorer.
    share = settings.rating_share
    ratings = min(round(len(drawn) * share / (1 - share)), _RATINGS_OF_A_SEED * len(data.seeds))
    for index in range(ratings):
        pair = Pair.of(data.seeds[index % len(data.seeds)])
        graded = grader.draw(pair, generator.choice(_GRADES))
        drawn.append(maker.rating(graded.pair, graded.grade))
    if len(data.rated) + len(data.rated_held_out) >= settings.least_ratings:
        drawn += [maker.rating(each.pair, each.score) for each in data.rated]
    return drawn


def _by_length(
    drawn: Sequence[TrainingSequence], batch: int, generator: random.Random
) -> list[TrainingSequence]:
    """Batches of like length, the batches shuffled; the last, short one stays last."""
    batches: list[list[TrainingSequence]] = []
    for start in range(0, len(drawn), batch * _POOL):
        pool = sorted(drawn[start : start + batch * _POOL], key=lambda sequence: len(sequence.ids))
        batches += [pool[cut : cut + batch] for cut in range(0, len(pool), batch)]
    short = batches.pop() if batches and len(batches[-1]) < batch else []
    generator.shuffle(batches)
    return [sequence for members in (*batches, short) for sequence in members]


def _fold(text: str) -> str:
    return _SPACE.sub(" ", text).strip().lower()
