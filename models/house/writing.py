"""What the model writes for passages, through the engine that serves it, and how often that is fit
to keep.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.engine import Sampling
from models.seeds.pairs import Pair
from models.serving.served_model import ServedModel
from schemas.errors import PromptTooLong

_PHRASE = 4
"""Words that make a phrase: an instruction that says one twice repeats itself."""


@dataclass(frozen=True, slots=True)
class Written:
    """An instruction that the model wrote for a response, and its own rating of the two."""

    pair: Pair
    """The response and the true instruction; for a passage of documentation, its heading."""
    instruction: str
    rating: float

    @property
    def well_formed(self) -> bool:
        """Whether it ends as a sentence does."""
        return self.instruction.endswith((".", "?"))

    @property
    def repeats(self) -> bool:
        """Whether a phrase of four words occurs twice."""
        words = re.findall(r"\w+", self.instruction.lower())
        phrases = [tuple(words[i : i + _PHRASE]) for i in range(len(words) - _PHRASE + 1)]
        return len(set(phrases)) < len(phrases)


async def write(
    release: Path, pairs: Sequence[Pair], sampling: Sampling, precision: str = "auto"
) -> list[Written]:
    """An instruction and a rating for each response that fits the context window, in order."""
    served = await ServedModel.load(release, precision=precision)
    try:

        async def one(number: int, pair: Pair) -> Written | None:
            try:
                written = await served.write_instruction(
                    str(number), pair.response, pair.context or None, sampling
                )
                rating = await served.rate(written.instruction, pair.response, pair.context or None)
            except PromptTooLong:
                return None
            return Written(pair, written.instruction, rating.score)

        found = await asyncio.gather(*(one(number, pair) for number, pair in enumerate(pairs)))
    finally:
        served.close()
    return [each for each in found if each is not None]
