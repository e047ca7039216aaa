"""A blocked event loop is noticed from another thread."""

import asyncio

from streams.run.pulse import Pulse


async def test_a_loop_that_turns_is_live_and_one_that_does_not_is_named() -> None:
    now = [0.0]
    pulse = Pulse(lambda: now[0])
    beating = asyncio.create_task(pulse.run())
    now[0] = 1000.0
    assert pulse.blocked() == "the event loop has been blocked for 1000 s"
    await asyncio.sleep(0)
    assert pulse.blocked() is None
    now[0] = 1050.0
    assert pulse.blocked() is None
    beating.cancel()
