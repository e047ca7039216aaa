"""Scores that are kept: computed once, by one of those who ask at once."""

import asyncio
from collections.abc import Sequence

import pytest

from models.judging.shared_scores import SharedScores


class _Computer:
    """Computes, counts, and waits until it may go on."""

    def __init__(self) -> None:
        self.asked = 0
        self.may = asyncio.Event()
        self.fails = False

    async def __call__(self) -> Sequence[float]:
        self.asked += 1
        await self.may.wait()
        if self.fails:
            raise ValueError("no")
        return 1.0, 2.0


async def test_those_who_ask_at_once_share_one_computation() -> None:
    scores, computer = SharedScores(), _Computer()
    asking = [asyncio.create_task(scores.get("key", computer)) for _ in range(3)]
    await asyncio.sleep(0)
    computer.may.set()
    assert [(await each).tolist() for each in asking] == [[1.0, 2.0]] * 3
    assert (await scores.get("key", computer)).tolist() == [1.0, 2.0]
    assert computer.asked == 1


async def test_where_one_is_cancelled_another_computes() -> None:
    scores, computer = SharedScores(), _Computer()
    first = asyncio.create_task(scores.get("key", computer))
    second = asyncio.create_task(scores.get("key", computer))
    await asyncio.sleep(0)
    first.cancel()
    computer.may.set()
    assert (await second).tolist() == [1.0, 2.0]
    assert computer.asked == 2


async def test_a_failure_is_not_kept() -> None:
    scores, computer = SharedScores(), _Computer()
    computer.may.set()
    computer.fails = True
    with pytest.raises(ValueError, match="no"):
        await scores.get("key", computer)
    computer.fails = False
    assert (await scores.get("key", computer)).tolist() == [1.0, 2.0]


async def test_the_least_recently_asked_for_is_dropped() -> None:
    scores, computer = SharedScores(kept=2), _Computer()
    computer.may.set()
    for key in ("a", "b", "a", "c"):
        await scores.get(key, computer)
    assert (len(scores), computer.asked) == (2, 3)
    await scores.get("a", computer)
    assert computer.asked == 3
    await scores.get("b", computer)
    assert computer.asked == 4
