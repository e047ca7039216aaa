"""Stages of a worker: they run until cancelled, drain then, and one that ends is noticed."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from schemas.errors import BrokerError
from streams.kafka.writing.writer import KafkaWriter
from streams.settings import Settings
from streams.stages.consumer.faust_app import StageApp
from streams.stages.metrics import Metrics
from streams.worker import stage_runner
from streams.worker.stage_runner import StageRunner


class _App:
    """Stands in for a StageApp."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.crash_reason: Exception | None = None
        self.stopped_delivering = False
        self.left_unread: str | None = None
        self.stage = SimpleNamespace(name="curator")

    async def start(self) -> None:
        self.calls.append("start")

    def look(self) -> str | None:
        return self.left_unread

    async def stop(self, drain_seconds: float) -> bool:
        await asyncio.sleep(0.01)
        self.calls.append("stop")
        return True


def _runner() -> StageRunner:
    return StageRunner(Settings(), cast(KafkaWriter, None), Metrics())


async def test_a_stage_drains_when_it_is_cancelled() -> None:
    app = _App()
    running = asyncio.create_task(_runner().run(cast(StageApp, app)))
    await asyncio.sleep(0.01)
    assert app.calls == ["start"]
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    assert app.calls == ["start", "stop"]


async def test_a_second_cancellation_does_not_interrupt_the_drain() -> None:
    app, may_stop = _App(), asyncio.Event()

    async def stop(drain_seconds: float) -> bool:
        app.calls.append("stopping")
        await may_stop.wait()
        app.calls.append("stop")
        return True

    app.stop = stop  # type: ignore[method-assign]
    running = asyncio.create_task(_runner().run(cast(StageApp, app)))
    await asyncio.sleep(0.01)
    for _ in range(3):
        running.cancel()
        await asyncio.sleep(0.01)
    assert app.calls == ["start", "stopping"]
    assert not running.done()
    may_stop.set()
    await asyncio.wait({running})
    assert running.cancelled()
    assert app.calls == ["start", "stopping", "stop"]


async def test_a_crash_of_one_stage_drains_all_of_them_at_once() -> None:
    runner, apps = _runner(), [_App(), _App()]

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            for app in apps:
                tasks.create_task(runner.run(cast(StageApp, app)))
            tasks.create_task(runner.watch())
            await asyncio.sleep(0.01)
            apps[1].crash_reason = OSError("no disk")

    with pytest.raises(ExceptionGroup) as raised:
        await run()
    assert [str(error) for error in raised.value.exceptions] == ["no disk"]
    assert [app.calls for app in apps] == [["start", "stop"]] * 2
    with pytest.raises(OSError, match="no disk"):
        runner.check()


async def test_a_stage_that_cannot_be_started_ends_no_other() -> None:
    runner, app = _runner(), _App()

    async def start() -> None:
        app.crash_reason = BrokerError("away")
        await asyncio.sleep(0.01)
        raise BrokerError("its topic cannot be read: away")

    app.start = start  # type: ignore[method-assign]
    watching = asyncio.create_task(runner.watch())
    with pytest.raises(BrokerError, match="cannot be read"):
        await runner.run(cast(StageApp, app))
    assert app.calls == ["stop"]
    await asyncio.sleep(0.2)
    assert not watching.done()
    watching.cancel()
    await asyncio.wait({watching})


async def test_a_consumer_that_has_stopped_reading_ends_its_stage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stage_runner, "_STOPPED_SECONDS", 0.2)
    runner, app = _runner(), _App()
    running = asyncio.create_task(runner.run(cast(StageApp, app)))
    watching = asyncio.create_task(runner.watch())
    app.stopped_delivering = True
    await asyncio.sleep(0.05)
    assert not watching.done(), "it may begin again, as after a rebalance"
    with pytest.raises(BrokerError, match="curator: its consumer has stopped reading"):
        await watching
    running.cancel()
    await asyncio.wait({running})
