"""A worker of the segmenter in this process. It needs no model."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streams.observe.lag import Flow
from streams.settings import Settings
from streams.stages.topology import STAGES
from streams.worker.worker import Worker
from tests.integration.conftest import wait_for_flow

_SECONDS = 180


@asynccontextmanager
async def segmenting(settings: Settings) -> AsyncIterator[None]:
    """Run the worker, and stop it in the end."""
    worker, ready = Worker(settings, STAGES[:1]), asyncio.Event()
    running = asyncio.create_task(worker.run({}, on_ready=ready.set))
    try:
        await asyncio.wait_for(ready.wait(), _SECONDS)
        yield
    finally:
        worker.stop()
        await running


async def segmented(settings: Settings, offsets: int) -> Flow:
    """The flow once the stage is behind ``offsets`` offsets and has no lag."""

    def is_done(flow: Flow) -> bool:
        return flow.stages[0].done >= offsets and not flow.stages[0].lag

    return await asyncio.to_thread(wait_for_flow, settings, is_done, _SECONDS)
