"""A handle on the deployed model: each record has one model to its end."""

import asyncio
from dataclasses import dataclass
from typing import cast

from models.serving.model_handle import ModelHandle
from models.serving.served_model import ServedModel


@dataclass(eq=False)
class _Model:
    release: str


def _served(release: str) -> ServedModel:
    return cast(ServedModel, _Model(release))


async def test_a_record_keeps_its_model_and_the_next_one_has_the_new_one() -> None:
    handle = ModelHandle(_served("r-1"))
    async with handle.borrow() as first, handle.borrow() as second:
        assert first is second
        changing = asyncio.create_task(handle.replace(_served("r-2")))
        await asyncio.sleep(0)
        assert first.release == "r-1"
        assert handle.release == "r-2"
        async with handle.borrow() as third:
            assert third.release == "r-2"
        assert not changing.done(), "a record still uses the previous one"
    assert (await changing).release == "r-1"


async def test_two_changes_each_give_back_their_own() -> None:
    handle = ModelHandle(_served("r-1"))
    async with handle.borrow():
        one = asyncio.create_task(handle.replace(_served("r-2")))
        await asyncio.sleep(0)
        async with handle.borrow():
            other = asyncio.create_task(handle.replace(_served("r-3")))
            await asyncio.sleep(0)
        assert (await other).release == "r-2"
        assert not one.done()
    assert (await one).release == "r-1"


async def test_nothing_is_lent_while_it_is_held() -> None:
    handle = ModelHandle(_served("r-1"))
    handle.pause()

    async def borrow() -> str:
        async with handle.borrow() as model:
            return model.release

    borrowing = asyncio.create_task(borrow())
    await asyncio.sleep(0)
    assert not borrowing.done()
    await handle.replace(_served("r-2"))
    handle.resume()
    assert await borrowing == "r-2", "it waited for the next one"
