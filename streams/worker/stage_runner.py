"""Runs stages of a worker, each until its task is cancelled: then it drains and commits."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, NoReturn

from schemas.errors import BrokerError
from streams.kafka.writing.writer import KafkaWriter
from streams.settings import Settings
from streams.stages.agent.protocol import AgentOf, OtherProcess, Processing
from streams.stages.consumer.faust_app import StageApp
from streams.stages.harness.stage import Stage
from streams.stages.metrics import Metrics
from streams.stages.topology import StageSpec

_DRAIN_SHARE = 0.6
"""Of the seconds of a shutdown. The rest is for the last commit and for leaving the group."""
_WATCH_SECONDS = 0.1
_STOPPED_SECONDS = 10.0
"""How long a consumer may deliver nothing of its partitions, outside of a rebalance."""


class StageRunner:
    """Makes stages that share one writer, runs them, and watches for what ends one."""

    def __init__(self, settings: Settings, writer: KafkaWriter, metrics: Metrics) -> None:
        self._settings = settings
        self._writer = writer
        self._metrics = metrics
        self._running: set[StageApp] = set()
        self._failure: BaseException | None = None
        self._suspects = asyncio.Lock()  # the model stages may share an engine

    def app(
        self,
        spec: StageSpec,
        agent_of: AgentOf,
        group: str | None = None,
        outside: OtherProcess | None = None,
    ) -> StageApp:
        """Make a stage.

        ``group`` is its consumer group, by default that of its name. ``outside`` handles its large
        messages.
        """
        policy = spec.policy(self._settings)
        stage = Stage(
            spec.name,
            Processing(spec.decode, agent_of, outside),
            self._writer,
            self._fail,
            policy,
            self._metrics,
            self._suspects,
        )
        return StageApp(stage, spec.source, self._settings.kafka, group)

    async def run(self, app: StageApp) -> None:
        """Run a stage until this is cancelled. Then drain, commit and leave the consumer group.

        Being cancelled again does not interrupt that: a re-rating is cancelled by a new release,
        and again where the worker is stopped meanwhile. Raises BrokerError where it cannot be
        started because Kafka cannot be reached.
        """
        try:
            await app.start()
            self._running.add(app)
            await asyncio.get_running_loop().create_future()
        finally:
            self._running.discard(app)
            await _to_its_end(app.stop(_DRAIN_SHARE * self._settings.shutdown_seconds))

    async def watch(self) -> NoReturn:
        """Wait for the first error that ends a stage, and raise it.

        A consumer that has stopped to deliver what it fetches, or that leaves messages unread, ends
        its stage too: nothing but a new process makes it go on.
        """
        stopped: dict[StageApp, float] = {}
        while True:
            for app in self._running:
                if app.crash_reason is not None:
                    self._fail(app.crash_reason)
                elif (left := app.look()) is not None:
                    self._fail(BrokerError(f"{app.stage.name}: {left}"))
                elif not app.stopped_delivering:
                    stopped.pop(app, None)
                elif (
                    time.monotonic() > stopped.setdefault(app, time.monotonic()) + _STOPPED_SECONDS
                ):
                    self._fail(BrokerError(f"{app.stage.name}: its consumer has stopped reading"))
            self.check()
            await asyncio.sleep(_WATCH_SECONDS)

    @property
    def unavailable(self) -> str | None:
        """What a stage waits for that is no fault of its records, or None."""
        reasons = (
            f"{app.stage.name}: {app.stage.unavailable}"
            for app in tuple(self._running)  # another thread may read this
            if app.stage.unavailable is not None
        )
        return next(reasons, None)

    def check(self) -> None:
        """Raise the first error that ended a stage, if there was one."""
        if self._failure is not None:
            raise self._failure

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error


async def _to_its_end(work: Coroutine[Any, Any, object]) -> None:
    """Wait for ``work``. A cancellation meanwhile takes effect after it."""
    task, cancelled = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError
