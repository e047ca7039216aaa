"""Requests for new instructions: which exemplars each one shows, as Self-Instruct draws them."""

import random
from collections.abc import Iterable, Iterator, Sequence

from models.seeds import read_seeds, split
from schemas.categories import Category
from schemas.ids import bootstrap_id
from schemas.records import Bootstrap, Example, ExampleOrigin, Exemplar
from streams.data.changes import newest
from streams.kafka.cluster import Cluster

HUMAN, MADE = 6, 2
"""Exemplars of a request that people wrote, and that a model made (arXiv 2212.10560, section 2.2).
"""
_LONGEST_INSTRUCTION = 400
"""Characters of an instruction that is shown."""
_LONGEST = 8_000
"""Characters of an exemplar with its context and response."""


def draw(
    examples: Iterable[Example], count: int, seed: int = 0, own: Sequence[Example] | None = None
) -> Iterator[Bootstrap]:
    """Draw the exemplars of ``count`` requests: the same ones for the same examples and seed.

    Of each request, six are human and two are made; all are human while fewer than two are made.
    Human pairs are those of ``examples`` that training may use, or ``own`` as well where they are
    too few; by default the project's. Examples that are too long to be shown are not drawn, and
    neither are those with earlier turns.
    """
    every = [one for one in examples if _fits(one)]
    seeds, _ = split(one for one in every if one.origin is ExampleOrigin.SEED)
    if len(seeds) < HUMAN + MADE:
        project, _ = split(read_seeds() if own is None else own)
        seeds += [one for one in project if _fits(one)]
    human = _by_id(seeds)
    made = _by_id(one for one in every if one.origin is ExampleOrigin.AUGMENTED)
    few = MADE if len(made) >= MADE else 0
    for number in range(count):
        generator = random.Random(f"{seed} {number}")
        chosen = generator.sample(human, HUMAN + MADE - few) + generator.sample(made, few)
        generator.shuffle(chosen)
        ids = [one.id for one in chosen]
        yield Bootstrap(
            id=bootstrap_id(ids, number),
            exemplars=tuple(map(_exemplar, chosen)),
            source=f"invent --seed {seed}",
        )


def draw_from(cluster: Cluster, count: int, seed: int = 0) -> Iterator[Bootstrap]:
    """The same from what ``curated`` holds now. Raises BrokerError."""
    examples = (change.example for change in newest(cluster))
    return draw([one for one in examples if one is not None], count, seed)


def _fits(example: Example) -> bool:
    characters = len(example.instruction) + len(example.context or "") + len(example.response)
    short = len(example.instruction) <= _LONGEST_INSTRUCTION
    return short and characters <= _LONGEST and not example.turns


def _by_id(examples: Iterable[Example]) -> list[Example]:
    return sorted({one.id: one for one in examples}.values(), key=lambda one: one.id)


def _exemplar(example: Example) -> Exemplar:
    return Exemplar(
        id=example.id,
        instruction=example.instruction,
        context=example.context,
        response=example.response,
        classification=example.category == Category.CLASSIFICATION,
    )
