"""Labelled pairs: each human pair at the five grades, and with wrong requests.

Ratings are measured on them, and judges are fitted on them.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from models.seeds.grades import GradedPair, Grader
from models.seeds.pairs import Pair

LABELS = (5, 4, 3, 2, 1, 2, 1)
"""Grades of the pairs that ``labelled`` makes from each pair."""
_TRIES = 16
"""Most draws of a negative that differs from the true pair."""

TRUE = "true"
DAMAGED = ("grade_4", "grade_3", "grade_2", "grade_1")
HARD = "hard"
"""The response with a request that shares the true one's rarest word."""
RANDOM = "random"
"""The response with any other request."""
BORROWED = "borrowed"
"""The response with a random request, whose rare words are replaced by the response's."""

KINDS = (TRUE, *DAMAGED, HARD, RANDOM, BORROWED)
"""In the order of ``every_kind``."""


@dataclass(frozen=True, slots=True)
class MadePair:
    """A pair that was made from a human pair."""

    source: int
    """Number of the human pair."""
    kind: str
    """How it was made: one of KINDS, or what a model wrote."""
    grade: int | None
    """Its correct grade, 1 to 5; None where nobody knows it."""
    pair: Pair


def labelled(pairs: Sequence[Pair]) -> list[list[GradedPair]]:
    """Make seven pairs of grades 5, 4, 3, 2, 1, 2 and 1 from each pair, deterministically.

    The last two are a lexical and a random negative: the response with a request that shares a rare
    word with the true one, and with any other request. A negative is drawn again where it has the
    true request.
    """
    grader = Grader(pairs, random.Random(0))
    return [
        [
            GradedPair(pair, 5),
            *(_damaged(grader, pair, grade) for grade in (4, 3, 2, 1)),
            *_negatives(grader, pair),
        ]
        for pair in pairs
    ]


def every_kind(pairs: Sequence[Pair]) -> list[MadePair]:
    """Eight pairs from each human pair: those of ``labelled``, and one with borrowed words.

    Deterministic, in the order of the human pairs and of KINDS.
    """
    grader = Grader(pairs, random.Random(1))
    made: list[MadePair] = []
    for source, (pair, seven) in enumerate(zip(pairs, labelled(pairs), strict=True)):
        request = grader.borrowed_words_negative(pair)
        borrowed = GradedPair(replace(pair, instruction=request), 2)
        made += [
            MadePair(source, kind, graded.grade, graded.pair)
            for kind, graded in zip(KINDS, [*seven, borrowed], strict=True)
        ]
    return made


def some_kinds(pairs: Sequence[Pair]) -> list[MadePair]:
    """``every_kind`` with two of the four damaged responses of each pair, in turn.

    A damaged response is read again as a whole, while a wrong request costs little.
    """
    return [
        each
        for each in every_kind(pairs)
        if each.kind not in DAMAGED or (DAMAGED.index(each.kind) + each.source) % 2
    ]


def _damaged(grader: Grader, pair: Pair, grade: int) -> GradedPair:
    drawn = (grader.draw(pair, grade) for _ in range(_TRIES))
    return next((graded for graded in drawn if graded.pair != pair), GradedPair(pair, grade))


def _negatives(grader: Grader, pair: Pair) -> list[GradedPair]:
    true = GradedPair(pair, 5)
    drawn = (grader.negatives(true, 2) for _ in range(_TRIES))
    return next(
        (two for two in drawn if all(each.pair.instruction != pair.instruction for each in two)),
        grader.negatives(true, 2),
    )
