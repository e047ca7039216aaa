"""The bounded queue between event loops and one thread."""

import asyncio

import pytest

from models.engine.inbox import Inbox
from schemas.errors import EngineError


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_callers_come_in_by_turns_as_items_are_released() -> None:
    inbox: Inbox[int] = Inbox(2)
    tasks = [asyncio.create_task(inbox.put(item)) for item in range(5)]
    await settled()
    assert inbox.take(wait=True) == [0, 1]
    assert inbox.take(wait=False) == []
    inbox.release()
    await settled()
    assert inbox.take(wait=True) == [2]
    inbox.release()
    inbox.release()
    await asyncio.gather(*tasks)
    assert inbox.take(wait=True) == [3, 4]


async def test_a_newcomer_does_not_overtake_those_who_wait() -> None:
    inbox: Inbox[str] = Inbox(1)
    await inbox.put("first")
    waiting = asyncio.create_task(inbox.put("waiting"))
    await settled()
    inbox.release()
    newcomer = asyncio.create_task(inbox.put("newcomer"))
    await waiting
    assert inbox.take(wait=False) == ["first", "waiting"]
    inbox.release()
    await newcomer


async def test_the_place_of_a_cancelled_caller_goes_to_the_next() -> None:
    inbox: Inbox[str] = Inbox(1)
    await inbox.put("first")
    let_in, waiting, last = (
        asyncio.create_task(inbox.put(name)) for name in ("let in", "waiting", "last")
    )
    await settled()
    inbox.release()
    let_in.cancel()  # between its admission and its next step
    waiting.cancel()  # still outside
    await last
    assert inbox.take(wait=False) == ["first", "last"]


async def test_a_thread_that_waits_is_woken_by_an_item_and_by_the_end() -> None:
    inbox: Inbox[int] = Inbox(1)
    taking = asyncio.create_task(asyncio.to_thread(inbox.take, wait=True))
    await inbox.put(1)
    assert await taking == [1]
    taking = asyncio.create_task(asyncio.to_thread(inbox.take, wait=True))
    inbox.close("over")
    assert await taking is None


async def test_closing_returns_what_nobody_took_and_refuses_the_rest_with_the_first_reason() -> (
    None
):
    inbox: Inbox[int] = Inbox(1)
    await inbox.put(1)
    waiting = asyncio.create_task(inbox.put(2))
    await settled()
    assert not inbox.closed
    assert inbox.close("over") == [1]
    assert inbox.close("over again") == []
    assert inbox.closed
    with pytest.raises(EngineError, match=r"over$"):
        await waiting
    with pytest.raises(EngineError, match=r"over$"):
        await inbox.put(3)
    assert inbox.take(wait=True) is None


async def test_a_caller_whose_loop_is_closed_is_passed_over() -> None:
    inbox: Inbox[str] = Inbox(1)
    await inbox.put("first")
    loop = asyncio.new_event_loop()
    lost = loop.create_task(inbox.put("lost"))
    await asyncio.to_thread(lambda: loop.run_until_complete(asyncio.sleep(0)))
    loop.close()
    waiting = asyncio.create_task(inbox.put("waiting"))
    await settled()
    inbox.release()
    await waiting
    assert inbox.take(wait=False) == ["first", "waiting"]
    lost._log_destroy_pending = False  # type: ignore[attr-defined]
