"""Chooses and orders the training sequences of a run, without torch."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.evaluation.human_ratings import RatedPair
from models.prompts.layout import Prompter
from models.prompts.sequences import SequenceMaker, TrainingSequence
from models.seeds import split
from models.seeds.grades import Grader
from models.seeds.jsonl import read_records
from models.seeds.pairs import Pair
from models.training.leaks import LeakCheck, folded
from models.training.mixing import Mix, Mixed, mixed, tag_of
from models.training.settings import TrainingSettings
from schemas.errors import TrainingError
from schemas.ids import hash_fraction
from schemas.records import Example, ExampleOrigin

_GRADES = (5, 5, 4, 3, 2, 2, 1, 1)
"""Grades to draw from. With more of the best grades every rating rises
(docs/decisions/0012-fine-tuning.md).
"""
_RATINGS_OF_A_SEED = 4
"""Highest number of ratings of one seed in an epoch."""
_POOL = 16
"""Number of batches that are sorted by length together, which reduces padding."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Examples and rated pairs, divided by their use."""

    seeds: tuple[Example, ...]
    """Human pairs that are trained on, and graded to train the ratings."""
    held_out: tuple[Example, ...]
    """Human pairs that are measured on, never trained on."""
    augmented: tuple[Example, ...]
    """Curated examples of the stream."""
    leaked: int = 0
    """Number of examples left out, because they are near to a held-out one."""
    rated: tuple[RatedPair, ...] = ()
    """Human ratings to which the ratings are calibrated; trained on if there are enough."""
    rated_held_out: tuple[RatedPair, ...] = ()
    """Human ratings that are measured on, never trained on."""
    rated_leaked: int = 0
    """Number of rated pairs left out.

    They are near to a held-out seed, or have the texts of a held-out rated pair.
    """

    def mixed(self, mix: Mix) -> Mixed:
        """The examples of an epoch, and how many each source has of them."""
        return mixed((*self.seeds, *self.augmented), mix)


def read_examples(file: Path) -> list[Example]:
    """Read examples from JSON lines. Raises TrainingError naming the first invalid line."""
    return read_records(file, Example, "an example")


def divide(
    examples: Iterable[Example], held_out_share: float, rated: Iterable[RatedPair] = ()
) -> TrainingSet:
    """Divide examples into training seeds, held-out seeds and curated examples.

    Each id occurs once, and the order is that of the ids. An example is left out and counted if its
    instruction is near to that of a held-out seed (ROUGE-L), or its response is that of a held-out
    seed: it would invalidate the measurement. The exchanges of a conversation are on one side, and
    those that were said before count as well. ``rated`` pairs are divided as seeds are, and left
    out by the same rules. Raises TrainingError if fewer than two seeds are
    left for training or held out.
    """
    by_id = {example.id: example for example in examples}
    ordered = [by_id[id] for id in sorted(by_id)]
    every_seed, held_out = split(
        (e for e in ordered if e.origin is ExampleOrigin.SEED), held_out_share
    )
    every_augmented = [e for e in ordered if e.origin is ExampleOrigin.AUGMENTED]
    leaks = LeakCheck(map(Pair.of, held_out))
    seeds, augmented = (
        [e for e in examples if not leaks.leaks(Pair.of(e))]
        for examples in (every_seed, every_augmented)
    )
    if len(held_out) < 2 or len(seeds) < 2:
        raise TrainingError(
            f"{len(seeds)} human seeds to train on and {len(held_out)} held out are too few: "
            "at least 2 of each are needed; add seeds"
        )
    leaked = len(every_seed) + len(every_augmented) - len(seeds) - len(augmented)
    every_rated = sorted(rated, key=lambda each: each.id)
    rated_held_out = [each for each in every_rated if hash_fraction(each.key) < held_out_share]
    secret = {exchange for each in rated_held_out for exchange in _folded(each.pair)}
    fitted = [
        each
        for each in every_rated
        # The same passage has another id under another release, so the same pair may be in both
        # parts.
        if secret.isdisjoint(_folded(each.pair)) and not leaks.leaks(each.pair)
    ]
    rated_leaked = sum(hash_fraction(each.key) >= held_out_share for each in every_rated) - len(
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


def sequences(
    data: TrainingSet, prompter: Prompter, settings: TrainingSettings, context: int
) -> list[TrainingSequence]:
    """Return the sequences of a run in training order.

    The order is the same for the same inputs, so that a killed run can continue. Each epoch has
    the examples of the mix forward, under the tag of their origin, and backward, ratings of graded
    seeds, and the human ratings if there are enough. It is shuffled, then sorted by length within
    pools. ``context`` is the model's context window in tokens. There are no more than the steps
    take where their number is given. Raises TrainingError if no sequence fits, or where no source
    of the mix has examples.
    """
    generator = random.Random(settings.seed)
    maker = SequenceMaker(prompter, rating_weight=settings.rating_weight)
    grader = Grader([Pair.of(seed) for seed in data.seeds], generator)
    longest = min(settings.longest, context)
    examples = data.mixed(settings.mix).examples
    if not examples:
        named = ", ".join(name for name, _ in settings.mix.shares)
        raise TrainingError(f"there is no example of {named}: give other shares in training.mix")
    most = settings.max_steps and settings.max_steps * settings.batch_for(len(examples))
    chosen: list[TrainingSequence] = []
    tokens = 0
    for _ in range(settings.epochs):
        drawn = [
            s
            for s in _epoch(data, examples, maker, grader, generator, settings)
            if len(s.ids) <= longest
        ]
        generator.shuffle(drawn)
        for sequence in drawn:
            over = tokens + len(sequence.ids) > settings.max_tokens and chosen
            if over or len(chosen) == most:
                return by_length(chosen, settings.micro_batch, generator)
            chosen.append(sequence)
            tokens += len(sequence.ids)
    if not chosen:
        raise TrainingError(f"no example is within {longest:,} tokens: add shorter examples")
    return by_length(chosen, settings.micro_batch, generator)


def _epoch(
    data: TrainingSet,
    examples: Sequence[Example],
    maker: SequenceMaker,
    grader: Grader,
    generator: random.Random,
    settings: TrainingSettings,
) -> list[TrainingSequence]:
    drawn: list[TrainingSequence] = []
    for example in examples:
        pair, weight = Pair.of(example), settings.mix.weight(example)
        drawn += [maker.forward(pair, tag_of(example), weight), maker.backward(pair)]
    # Only human pairs are graded: the model's own ratings must not train the next scorer.
    share = settings.rating_share
    ratings = min(round(len(drawn) * share / (1 - share)), _RATINGS_OF_A_SEED * len(data.seeds))
    for index in range(ratings):
        pair = Pair.of(data.seeds[index % len(data.seeds)])
        graded = grader.draw(pair, generator.choice(_GRADES))
        drawn.append(maker.rating(graded.pair, graded.grade))
    if len(data.rated) + len(data.rated_held_out) >= settings.least_ratings:
        drawn += [maker.rating(each.pair, each.score) for each in data.rated]
    return drawn


def by_length(
    drawn: Sequence[TrainingSequence], batch: int, generator: random.Random
) -> list[TrainingSequence]:
    """Order sequences in shuffled batches of similar length; an incomplete batch stays last."""
    batches: list[list[TrainingSequence]] = []
    for start in range(0, len(drawn), batch * _POOL):
        pool = sorted(drawn[start : start + batch * _POOL], key=lambda sequence: len(sequence.ids))
        batches += [pool[cut : cut + batch] for cut in range(0, len(pool), batch)]
    short = batches.pop() if batches and len(batches[-1]) < batch else []
    generator.shuffle(batches)
    return [sequence for members in (*batches, short) for sequence in members]


def _folded(pair: Pair) -> set[tuple[str, str]]:
    return {(folded(asked), folded(answered)) for asked, answered in pair.exchanges}
