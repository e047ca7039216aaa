"""Mixes what a run trains on: human seeds, and examples of each generator of the stream.

Examples of people are strong and those of models weak. *Self-Alignment with Instruction
Backtranslation* (arXiv 2308.06259) trains on both, under different tags; the shares are a setting.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from models.prompts.template import AUGMENTED_TAG, SEED_TAG
from models.releases.trained_on import TrainedOn
from schemas.ids import hash_fraction
from schemas.records import Example, ExampleOrigin

SEED = "seed"
"""The source of what people wrote. The others are names of stages: ``Provenance.generator``."""
MOST_REPEATS = 4
"""How often an example may be in an epoch.

Up to four passes over the same data are nearly as good as new data (arXiv 2305.16264).
"""


@dataclass(frozen=True, slots=True)
class Mix:
    """How the sources are mixed. Without shares, each example is there once."""

    shares: tuple[tuple[str, float], ...] = ()
    """Source and share of an epoch's examples. A source that is not named is left out.

    They are relative to each other, among the sources that have examples.
    """
    least_confidence: float = 0.0
    """Examples with a confidence below this are left out."""
    weighs: bool = False
    """Whether the loss of a response is weighed by the example's confidence."""

    def weight(self, example: Example) -> float:
        """The weight of an example's response in the loss; 1 for one without a confidence."""
        return example.confidence if self.weighs and example.confidence is not None else 1.0


@dataclass(frozen=True, slots=True)
class Mixed:
    """The examples of an epoch."""

    examples: tuple[Example, ...]
    """In the order given, one that is repeated several times in a row."""
    sources: Mapping[str, TrainedOn]


def source_of(example: Example) -> str:
    """Where an example came from: people, or the stage that made it."""
    seed = example.origin is ExampleOrigin.SEED
    return SEED if seed else example.provenance.generator or "unknown"


def tag_of(example: Example) -> str:
    """The tag of an example's prompt, by its origin."""
    return SEED_TAG if example.origin is ExampleOrigin.SEED else AUGMENTED_TAG


def mixed(examples: Sequence[Example], mix: Mix) -> Mixed:
    """Mix examples, the same way for the same ones.

    An epoch has as many as the named sources have together. Each source fills its share with its
    examples, chosen by the hash of their ids; one that has too few repeats each at most
    MOST_REPEATS times, and then falls short of its share.
    """
    there = Counter(map(source_of, examples))
    sure = [e for e in examples if e.confidence is None or e.confidence >= mix.least_confidence]
    by_source: dict[str, list[Example]] = {}
    for example in sure:
        by_source.setdefault(source_of(example), []).append(example)
    shares = dict(mix.shares)
    times: Counter[str] = Counter()
    if shares:
        named = {name: found for name, found in by_source.items() if shares.get(name)}
        total = sum(map(len, named.values()))
        weight = sum(shares[name] for name in named)
        for name, found in named.items():
            times += _times(found, round(total * shares[name] / weight))
    else:
        times.update(example.id for example in sure)
    epoch = tuple(example for example in sure for _ in range(times[example.id]))
    names = sorted({*there, *shares}, key=lambda name: (name != SEED, name))
    return Mixed(
        epoch,
        {
            name: _trained_on(
                there[name], by_source.get(name, ()), times, len(epoch), name, shares.get(name)
            )
            for name in names
        },
    )


def _times(found: Sequence[Example], wanted: int) -> Counter[str]:
    """How often each example is there, so that they are ``wanted`` together, if they can be."""
    order = sorted(found, key=lambda example: (hash_fraction(example.id), example.id))
    each, more = divmod(min(wanted, MOST_REPEATS * len(order)), len(order))
    return Counter({e.id: each + (place < more) for place, e in enumerate(order)})


def _trained_on(
    there: int,
    sure: Iterable[Example],
    times: Mapping[str, int],
    epoch: int,
    name: str,
    asked_for: float | None,
) -> TrainedOn:
    kept = list(sure)
    used = [example for example in kept if times[example.id]]
    drawn = sum(times[example.id] for example in used)
    known = [example.confidence for example in used if example.confidence is not None]
    return TrainedOn(
        there=there,
        unsure=there - len(kept),
        used=len(used),
        drawn=drawn,
        share=drawn / epoch if epoch else 0.0,
        asked_for=asked_for,
        confidence=sum(known) / len(known) if known else None,
        tag=SEED_TAG if name == SEED else AUGMENTED_TAG,
    )
