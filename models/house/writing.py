"""Writes and rates instructions with the engine, and checks their form."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.sampling import Sampling
from models.seeds.pairs import Pair
from models.serving.served_model import ServedModel
from schemas.errors import PromptTooLong

_PHRASE = 4
"""Words of a phrase: an instruction that has a phrase twice repeats itself."""


@dataclass(frozen=True, slots=True)
class RatedInstruction:
    """An instruction that the model wrote for a response, with its own rating of the pair."""

    pair: Pair
    """The response and the true instruction, or the heading of a passage of documentation."""
    instruction: str
    rating: float

    @property
    def well_formed(self) -> bool:
        """Whether it ends in a full stop or a question mark."""
        return self.instruction.endswith((".", "?"))

    @property
    def repeats(self) -> bool:
        """Whether a phrase of four words occurs twice."""
        words = re.findall(r"\w+", self.instruction.lower())
        phrases = [tuple(words[i : i + _PHRASE]) for i in range(len(words) - _PHRASE + 1)]
        return len(set(phrases)) < len(phrases)


async def write_and_rate(
    release: Path, pairs: Sequence[Pair], sampling: Sampling, precision: str = "auto"
) -> list[RatedInstruction]:
    """Write and rate an instruction for each response that fits the context window, in order."""
    served = await ServedModel.load(release, precision=precision)
    try:

        async def one(number: int, pair: Pair) -> RatedInstruction | None:
            try:
                written = await served.write_instruction(
                    str(number), pair.response, pair.context or None, sampling
                )
                rating = await served.rate(written.instruction, pair.response, pair.context or None)
            except PromptTooLong:
                return None
            return RatedInstruction(pair, written.instruction, rating.score)

        found = await asyncio.gather(*(one(number, pair) for number, pair in enumerate(pairs)))
    finally:
        served.close()
    return [each for each in found if each is not None]
