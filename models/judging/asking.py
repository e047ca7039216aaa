"""Asks a model for what a kind of evidence needs, whatever answers."""

import asyncio
import math
from collections.abc import Awaitable, Callable

from models.engine import DigitProbabilities
from models.judging.evidence import EvidenceKind, digit_figures
from models.judging.pair_nats import PairNats
from schemas.errors import ModelError


async def ask_for(
    kind: EvidenceKind,
    likelihoods: Callable[[], Awaitable[PairNats]],
    digits: Callable[[], Awaitable[DigitProbabilities]],
) -> dict[str, float]:
    """The figures of a kind of evidence, in the order of ``kind.figures``.

    Of ``likelihoods`` and ``digits`` only those are called that the kind needs, at once. Raises
    what they raise, and ModelError ("unrated") where a figure is not a number.
    """
    if kind is EvidenceKind.LIKELIHOOD:
        found = (await likelihoods()).figures()
    elif kind is EvidenceKind.DIGITS:
        found = _figures(await digits())
    else:
        nats, given = await asyncio.gather(likelihoods(), digits())
        found = nats.figures() | _figures(given)
    if not all(map(math.isfinite, found.values())):
        raise ModelError("unrated: a likelihood of this pair is not a number")
    return found


def _figures(digits: DigitProbabilities) -> dict[str, float]:
    return digit_figures(digits.probabilities, digits.mass)
