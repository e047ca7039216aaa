"""Rates evidence by each signal, and curates by it."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

from agents.curation.settings import CuratorSettings
from agents.curator import Curator
from bench.loop.arms import Signal
from models.judging.evidence import Evidence
from models.judging.judge import Judges
from models.seeds.grades import Grader
from models.seeds.pairs import Pair
from schemas.errors import SettingsError
from schemas.records import Candidate, Example, Rating, Rejection, Scored

_PASSING = Rating(
    score=5.0, probabilities=(0.0, 0.0, 0.0, 0.0, 1.0), release="bench", template="bench"
)
"""The order of the candidates decides, not their rating in the curator."""

REQUESTS = ("true", "random", "hard")
"""The requests with which a held-out response is rated."""


def ratings(
    evidence: Sequence[Evidence | None], judges: Judges, signal: Signal
) -> list[float | None]:
    """Return the rating of each pair, 1 to 5; None without evidence."""
    known = [each for each in evidence if each is not None]
    found = iter(_ratings(known, judges, signal))
    return [None if each is None else next(found) for each in evidence]


def _ratings(evidence: Sequence[Evidence], judges: Judges, signal: Signal) -> list[float]:
    if signal is Signal.DIGITS:
        return [each["digit"] for each in evidence]
    judge = judges.likelihood if signal is Signal.LIKELIHOOD else judges.combined
    return judge.ratings(evidence)


def best_first(scores: Sequence[float | None]) -> list[int]:
    """Return the numbers of the rated candidates, the best one first; ties in their order."""
    rated = [(-score, number) for number, score in enumerate(scores) if score is not None]
    return [number for _, number in sorted(rated)]


def in_random_order(scores: Sequence[float | None], seed: int) -> list[int]:
    """Return the numbers of the rated candidates in a random order."""
    rated = [number for number, score in enumerate(scores) if score is not None]
    return random.Random(seed).sample(rated, len(rated))


def curate(
    candidates: Sequence[Candidate], order: Sequence[int], seeds: Sequence[Example], count: int
) -> dict[str, Any]:
    """Return the first ``count`` candidates, in this order, that pass the curator's other rules.

    ``numbers`` and ``examples`` are those that are kept, ``refused`` the reasons of those before
    the last one.
    """
    curator = Curator(CuratorSettings(threshold=1.0))
    for seed in seeds:
        curator.restore(seed.id, seed)
    numbers: list[int] = []
    examples: list[dict[str, Any]] = []
    refused: dict[str, int] = {}

    async def run() -> None:
        for number in order:
            if len(numbers) == count:
                return
            scored = Scored(candidate=candidates[number], rating=_PASSING)
            for outcome in await curator.handle(scored):
                if isinstance(outcome, Example):
                    numbers.append(number)
                    examples.append(outcome.model_dump(mode="json"))
                elif isinstance(outcome, Rejection):
                    refused[outcome.reason] = refused.get(outcome.reason, 0) + 1

    asyncio.run(run())
    return {"numbers": numbers, "examples": examples, "refused": refused}


def requests(pairs: Sequence[Pair]) -> list[Pair]:
    """Return each pair with its own request, with the next pair's, and with a hard one.

    A hard request shares a rare word with the true one.
    """
    grader = Grader(pairs, random.Random(0))
    return [
        Pair(request, pair.response)
        for number, pair in enumerate(pairs)
        for request in (
            pair.instruction,
            pairs[(number + 1) % len(pairs)].instruction,
            grader.lexical_negative(pair),
        )
    ]


def by_request(
    evidence: Sequence[Evidence | None], judges: Judges
) -> Mapping[str, Mapping[str, list[float]]]:
    """Return [pairs] ratings by signal and request, for the pairs that ``requests`` returns.

    Raises SettingsError where one has no evidence.
    """
    known = [each for each in evidence if each is not None]
    if len(known) < len(evidence):
        raise SettingsError("a held-out pair does not fit the base's context window")
    width = len(REQUESTS)
    return {
        signal: {
            request: _ratings(known[column::width], judges, signal)
            for column, request in enumerate(REQUESTS)
        }
        for signal in Signal
    }
