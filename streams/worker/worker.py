"""A worker: the stages of one process, on one event loop."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from models.serving.model_handle import ModelHandle
from streams.kafka.reading.records import RecordReader
from streams.kafka.topics import DOCUMENTS
from streams.kafka.writing.writer import KafkaWriter
from streams.settings import Role, Settings
from streams.stages.agent.protocol import Agent, AgentOf, StatefulAgent
from streams.stages.consumer.faust_app import StageApp
from streams.stages.making import AgentMaker, agent_makers, document_process
from streams.stages.metrics import UNREADABLE, Metrics
from streams.stages.topology import StageSpec, stages_of
from streams.worker.broker_watch import BrokerWatch
from streams.worker.release_follower import ReleaseFollower
from streams.worker.restoring import restore
from streams.worker.stage_runner import StageRunner

_POLL_SECONDS = 0.02


class Worker:
    """Runs stages until it is stopped or one of them fails. It can run once."""

    def __init__(
        self,
        settings: Settings,
        stages: Sequence[StageSpec] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """``stages`` are by default those of the settings."""
        self._settings = settings
        self._specs = stages or stages_of(settings)
        self._metrics = metrics or Metrics()
        self.reader = RecordReader(
            lambda topic: self._metrics.counter(UNREADABLE, topic=topic).inc()
        )
        """Reads messages outside the stages; counts those that cannot be read."""
        self._broker = BrokerWatch(settings.kafka.cluster())
        self._stopping = asyncio.Event()
        self._reading = False
        self._runner: StageRunner | None = None
        self._apps: Sequence[StageApp] = ()

    @property
    def roles(self) -> frozenset[Role]:
        """The roles for which the stages need a model."""
        return frozenset(spec.role for spec in self._specs if spec.role)

    @property
    def stopping(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopping.is_set()

    @property
    def not_ready(self) -> str | None:
        """Why the worker is not ready, or None. May be read by any thread.

        It is ready while every stage has its partitions, reads, reaches what it needs, and commits.
        The stage that rates again counts only where it waits for its surroundings.
        """
        if self.stopping:
            return "stopping"
        if self._runner is None or not self._reading:
            refusals = (f"{app.stage.name}: {app.refusal}" for app in self._apps if app.refusal)
            return next(refusals, "starting")
        for app in self._apps:
            if (reason := app.not_ready) is not None:
                cause = self._broker.cause if app.is_silent else None
                return f"{app.stage.name}: {reason}" + (f": {cause}" if cause else "")
        return self._runner.unavailable

    def _is_silent(self) -> bool:
        return any(app.is_silent for app in self._apps)

    def stop(self) -> None:
        """Ask for a drain. May be called more than once, and before ``run``."""
        self._stopping.set()

    async def run(
        self,
        models: Mapping[Role, ModelHandle],
        follower: ReleaseFollower | None = None,
        on_ready: Callable[[], None] | None = None,
        on_ending: Callable[[], None] = lambda: None,
    ) -> None:
        """Run the stages, and ``follower`` beside them once they read.

        After ``stop`` or an error ``on_ending`` is called, and each stage drains, commits and
        leaves its consumer group. Raises the first error that ended a stage or the follower.
        """
        async with (
            KafkaWriter(self._settings.kafka.cluster()) as writer,
            document_process(self._settings) as documents,
        ):
            runner = self._runner = StageRunner(self._settings, writer, self._metrics)
            makers = agent_makers(self._settings, models)
            self._apps = apps = [
                runner.app(
                    spec,
                    self._agent_of(spec, makers[spec.name]),
                    outside=documents if spec.source is DOCUMENTS else None,
                )
                for spec in self._specs
            ]
            try:
                async with asyncio.TaskGroup() as tasks:
                    running = [tasks.create_task(runner.run(app)) for app in apps]
                    running.append(tasks.create_task(runner.watch()))
                    running.append(tasks.create_task(self._broker.run(self._is_silent)))
                    try:
                        await self._until_reading(apps)
                        if not self.stopping:
                            self._reading = True
                            if on_ready is not None:
                                on_ready()
                            if follower is not None:
                                running.append(tasks.create_task(follower.run(runner)))
                        await self._stopping.wait()
                    finally:
                        self._reading = False
                        on_ending()
                    for task in running:
                        task.cancel()
            except BaseExceptionGroup as errors:
                raise _first(errors) from None
            runner.check()

    def _agent_of(self, spec: StageSpec, make: AgentMaker) -> AgentOf:
        async def agent_of(partition: int) -> Agent:
            agent = make()
            if spec.state is not None:
                cluster = self._settings.kafka.cluster()
                await restore(cast(StatefulAgent, agent), spec, partition, cluster, self.reader)
            return agent

        return agent_of

    async def _until_reading(self, apps: Sequence[StageApp]) -> None:
        while not (self.stopping or all(app.assigned for app in apps)):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _POLL_SECONDS)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
