"""What the engine computes about the unlabelled texts: candidates, and the evidence about them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from agents.backward import Backward
from bench.loop.served import Served
from bench.loop.steps import Done
from models.judging.evidence import EvidenceKind
from models.judging.examiner import Examiner
from models.sampling import Sampling
from models.seeds.pairs import Pair
from models.serving.model_handle import ModelHandle
from models.serving.served_model import ServedModel
from schemas.errors import ModelError
from schemas.records import Candidate, Segment


def write(
    served: Served,
    segments: Sequence[Segment],
    sampling: Sampling,
    missing: Sequence[int],
    done: Done,
) -> None:
    """Write a candidate for each missing segment.

    The value is the candidate, or the reason for which the backward agent refuses what was written.
    The first word is left to the model, as in the paper.
    """
    agent = Backward(
        ModelHandle(ServedModel(served.name, served.engine, served.prompter)), sampling
    )

    async def one(number: int) -> dict[str, Any]:
        (outcome,) = await agent.handle(segments[number])
        if isinstance(outcome, Candidate):
            return {"candidate": outcome.model_dump(mode="json")}
        return {"refused": outcome.reason}

    each(one, missing, done, served.at_once.texts)


def examine(served: Served, pairs: Sequence[Pair], missing: Sequence[int], done: Done) -> None:
    """Compute all evidence about each missing pair; None where it does not fit the model."""
    examiner = Examiner(served.engine, served.prompter)

    async def one(number: int) -> dict[str, float] | None:
        pair = pairs[number]
        try:
            return await examiner.examine(
                EvidenceKind.COMBINED, pair.instruction, pair.response, None
            )
        except ModelError:  # too long, or not a number
            return None

    each(one, missing, done, served.at_once.pairs)


def each(
    handle: Callable[[int], Awaitable[Any]], missing: Sequence[int], done: Done, at_once: int
) -> None:
    """Handle the missing items, some at once, in their order."""

    async def run() -> None:
        room = asyncio.Semaphore(at_once)

        async def one(number: int) -> None:
            async with room:
                done(number, await handle(number))

        await asyncio.gather(*map(one, missing))

    asyncio.run(run())
