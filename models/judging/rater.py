"""Rates pairs with the evidence about them and a judge."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from models.engine import DigitProbabilities
from models.judging.evidence import EvidenceKind, expected_grade
from models.judging.judge import Judge, Judges
from models.judging.ordinal import Grades
from schemas.errors import ModelError
from schemas.turns import Turn

_LOWEST_DIGIT_MASS = 1e-6
"""Lowest probability of the five digits together; below it, digits alone cannot rate a pair."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The rating of a pair."""

    score: float
    """Expected value of ``probabilities``, on the judge's scale, 1 to 5."""
    probabilities: Grades
    """Of the grades 1 to 5."""
    digit_mass: float
    """Probability of the five digits together; 1 where they were not asked for."""
    evidence: dict[str, float]
    """Figures by name, as in ``models.judging.evidence``. Empty for digits alone."""
    precision: float | None
    """Estimated share of the pairs rated at least this high that deserve a 4 or 5. None without a
    judge.
    """


class Examines(Protocol):
    """Gives the evidence about a pair, as ``Examiner`` does."""

    async def examine(
        self,
        kind: EvidenceKind,
        instruction: str,
        response: str,
        context: str | None,
        priority: int = 0,
        *,
        headings: Sequence[str] = (),
        turns: Sequence[Turn] = (),
    ) -> dict[str, float]:
        """The figures of a kind of evidence."""

    async def digits(
        self,
        instruction: str,
        response: str,
        context: str | None,
        priority: int = 0,
        *,
        turns: Sequence[Turn] = (),
    ) -> DigitProbabilities:
        """The probabilities of the digits."""


class Rater:
    """Rates pairs by one kind of evidence. Belongs to one event loop."""

    def __init__(
        self,
        examiner: Examines,
        kind: EvidenceKind = EvidenceKind.DIGITS,
        judges: Judges | None = None,
    ) -> None:
        """Where ``judges`` has none for ``kind``, the digits rate."""
        self._examiner = examiner
        self.judge: Judge | None = judges.of(kind) if judges else None
        """What rates; None where the digits do."""
        self.kind = kind if self.judge else EvidenceKind.DIGITS
        """What the ratings are made from."""

    async def rate(
        self,
        instruction: str,
        response: str,
        context: str | None,
        priority: int = 0,
        *,
        headings: Sequence[str] = (),
        turns: Sequence[Turn] = (),
    ) -> Judgement:
        """Rate a pair after ``turns``, whose response stands below ``headings``.

        Requests that wait in the engine are scheduled by ``priority``.

        Raises PromptTooLong where a part does not fit the context window, and ModelError
        ("unrated") where the likelihoods are not numbers, or where the digits rate and have almost
        no probability.
        """
        if self.judge is None:
            return await self._by_digits(instruction, response, context, priority, turns)
        evidence = await self._examiner.examine(
            self.kind, instruction, response, context, priority, headings=headings, turns=turns
        )
        probabilities = self.judge.model.probabilities(evidence)
        score = self.judge.score(probabilities)
        mass = min(1.0, math.exp(evidence.get("digit_mass", 0.0)))
        return Judgement(score, probabilities, mass, evidence, self.judge.at(score).precision)

    async def _by_digits(
        self,
        instruction: str,
        response: str,
        context: str | None,
        priority: int,
        turns: Sequence[Turn],
    ) -> Judgement:
        digits = await self._examiner.digits(instruction, response, context, priority, turns=turns)
        if not math.isfinite(digits.mass) or digits.mass < _LOWEST_DIGIT_MASS:
            raise ModelError(
                f"unrated: the probability of the digits 1 to 5 together is {digits.mass:.1e}"
            )
        probabilities = digits.probabilities
        score = min(5.0, max(1.0, expected_grade(probabilities)))
        return Judgement(score, probabilities, min(1.0, digits.mass), {}, None)
