"""The time limit of attempts, under a simulated clock."""

import asyncio

import pytest

from streams.stages.harness.time_limit import TimeLimit
from tests.unit.simulated_time import simulate


def test_each_attempt_has_its_own_time() -> None:
    async def attempt(limit: TimeLimit, begins: float, lasts: float) -> float | None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(begins)
        try:
            with limit.attempt():
                await asyncio.sleep(lasts)
        except TimeoutError:
            return loop.time()
        return None

    async def all_of_them() -> list[float | None]:
        limit = TimeLimit(10.0)
        started = asyncio.get_running_loop().time()
        ends = await asyncio.gather(
            *(attempt(limit, *times) for times in ((0, 5), (1, 99), (3, 9), (4, 99), (40, 99)))
        )
        return [None if end is None else end - started for end in ends]

    assert simulate(all_of_them()) == [None, pytest.approx(11), None, pytest.approx(14), 50]


def test_a_cancellation_from_elsewhere_is_no_timeout() -> None:
    async def cancelled() -> None:
        limit = TimeLimit(10.0)

        async def attempt() -> None:
            with limit.attempt():
                await asyncio.sleep(99)

        task = asyncio.create_task(attempt())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with limit.attempt():
            await asyncio.sleep(9.5)  # the timer of the first attempt ends in here

    simulate(cancelled())


def test_an_error_before_the_limit_is_raised_as_it_is() -> None:
    async def failing() -> None:
        with TimeLimit(10.0).attempt():
            raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        simulate(failing())
