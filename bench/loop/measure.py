"""Measures a model on held-out pairs, pair by pair."""

import asyncio
from collections.abc import Sequence
from typing import Any

from bench.loop.served import Served
from bench.loop.steps import Done
from bench.loop.writing import each
from models.prompts.template import Task
from models.seeds.pairs import Pair

BlockResult = list[dict[str, float]]
"""Of each pair: ``instruction`` and ``response`` in nats, their tokens, and ``rank``."""


def measure(
    served: Served, pairs: Sequence[Pair], choices: int, missing: Sequence[int], done: Done
) -> None:
    """Measure each missing block of ``choices`` pairs."""

    async def one(number: int) -> BlockResult:
        return await _measure(served, pairs[number * choices : (number + 1) * choices])

    each(one, missing, done, served.at_once.blocks)


def columns(blocks: Sequence[BlockResult]) -> dict[str, Any]:
    """Return [pairs] of each value."""
    rows = [row for block in blocks for row in block]
    return {name: [row[name] for row in rows] for name in rows[0]}


async def _measure(served: Served, pairs: Sequence[Pair]) -> BlockResult:
    """Score each instruction after each response of a block, and each response.

    The rank is that of the true instruction among those of the block by gain: the nats a token that
    the response saves. A tie is a loss. The response is scored under both tags, as at inference.
    """
    prompts, score = served.prompter, served.engine.score
    targets = [prompts.target(pair.instruction) for pair in pairs]

    async def nats(prompt: Sequence[int], target: Sequence[int]) -> float:
        return sum(await score(prompt, target))

    async def after(prompt: Sequence[int]) -> list[float]:
        # The first one computes the prompt, which the others share.
        first = await nats(prompt, targets[0])
        return [first, *await asyncio.gather(*(nats(prompt, target) for target in targets[1:]))]

    alone = await after(prompts.nothing(Task.BACKWARD))
    rows: BlockResult = []
    for own, pair in enumerate(pairs):
        given = await after(prompts.backward(pair.response))
        answer = prompts.target(pair.response)
        gains = [
            (without - with_it) / len(target)
            for without, with_it, target in zip(alone, given, targets, strict=True)
        ]
        rows.append(
            {
                "instruction": given[own],
                "instruction_tokens": len(targets[own]),
                "response": await nats(prompts.forward(pair.instruction), answer),
                "response_tokens": len(answer),
                "rank": sum(gain >= gains[own] for gain in gains),
            }
        )
    return rows
