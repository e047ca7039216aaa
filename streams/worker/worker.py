"""A worker: the stages of one process, on one event loop, with the models in service."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import cast

from agents.recurator import Recurator
from models.serving.in_service import InService
from schemas.errors import WireError
from schemas.records import Example, Release
from schemas.wire import decode, header_map
from streams.kafka.replay import replay_answered, replay_partition
from streams.kafka.topics import Topic
from streams.kafka.writer import KafkaWriter
from streams.releases.rerating import boundaries, group_of
from streams.settings import Role, Settings
from streams.stages.faust_app import StageApp
from streams.stages.metrics import Metrics
from streams.stages.offsets import Gates
from streams.stages.stage import Agent, AgentOf, Stage, StatefulAgent
from streams.stages.topology import RECURATOR, STAGES, AgentMaker, StageSpec, agent_makers

log = logging.getLogger(__name__)
_DRAIN_SECONDS = 30.0
_RECALLED = 20_000
"""Messages read again where a partition with state is taken over, as many as the curator
remembers.
"""


class Worker:
    """Runs stages until told to stop. ``failure`` holds the error where one ended it."""

    def __init__(
        self,
        settings: Settings,
        models: Mapping[Role, InService],
        stages: Sequence[StageSpec] = STAGES,
        measures: Metrics | None = None,
    ) -> None:
        self._settings = settings
        self._models = models
        self._specs = stages
        self._measures = measures or Metrics()
        self._stop = asyncio.Event()
        self._writer: KafkaWriter | None = None
        self._rerating: StageApp | None = None
        self.failure: BaseException | None = None
        self.ready = False
        """Whether every stage has its partitions and reads."""

    def stop(self) -> None:
        """Ask for a drain. Safe to call more than once."""
        self._stop.set()

    async def run(self, on_ready: Callable[[], Awaitable[None]] | None = None) -> None:
        """Serve until ``stop`` or a failure; then drain, commit and leave. Raises the failure."""
        async with KafkaWriter(self._settings.kafka.cluster()) as self._writer:
            makers = agent_makers(self._settings, self._models)
            apps = [
                self._app(spec, self._agent_of(spec, makers[spec.name])) for spec in self._specs
            ]
            try:
                await asyncio.gather(*(app.start() for app in apps))
                await self._wait_until_assigned(apps)
                self.ready = not self._stop.is_set()
                if on_ready and self.ready:
                    await on_ready()
                await self._watch(apps)
            finally:
                self.ready = False
                running = [*apps, *([self._rerating] if self._rerating else [])]
                await asyncio.gather(*(app.stop(_DRAIN_SECONDS) for app in running))
        if self.failure is not None:
            raise self.failure

    async def rate_again(self, release: Release) -> None:
        """Begin to rate again, with the release that took service, what was rated before it; of the
        release before, cease.

        Returns once that is begun; it goes on beside the stages, behind their records. Only while
        the worker runs.
        """
        if self._rerating is not None:
            ended, self._rerating = self._rerating, None
            await ended.stop(_DRAIN_SECONDS)
        kafka, seconds = self._settings.kafka, self._settings.rerating.after_seconds
        until = await asyncio.to_thread(boundaries, kafka.cluster(), release, seconds)
        if self._stop.is_set() or self._writer is None:
            return
        recurator = Recurator(self._models[Role.FORWARD], until)

        async def agent_of(partition: int) -> Agent:
            return recurator

        self._rerating = self._app(RECURATOR, agent_of, group_of(kafka.cluster(), release))
        await self._rerating.start()

    def _app(self, spec: StageSpec, agent_of: AgentOf, group: str | None = None) -> StageApp:
        assert self._writer is not None
        gates = Gates()
        policy = spec.policy(self._settings)
        stage = Stage(
            spec.name, spec.decode, agent_of, self._writer, gates, self.fail, policy, self._measures
        )
        return StageApp(stage, spec.source, gates, self._settings.kafka, group)

    def _agent_of(self, spec: StageSpec, make: AgentMaker) -> AgentOf:
        async def agent_of(partition: int) -> Agent:
            agent = make()
            if spec.state is not None:
                await self._restore(cast(StatefulAgent, agent), spec, spec.state, partition)
            return agent

        return agent_of

    async def _restore(
        self, agent: StatefulAgent, spec: StageSpec, state: Topic, partition: int
    ) -> None:
        cluster = self._settings.kafka.cluster()
        async for kept in replay_partition(cluster, state, partition):
            example = (
                None
                if kept.value is None
                else decode(Example, kept.value, header_map(kept.headers))
            )
            agent.restore((kept.key or b"").decode(), example)
        group = cluster.consumer_group(spec.name)
        async for answered in replay_answered(cluster, spec.source, partition, group, _RECALLED):
            with contextlib.suppress(WireError):  # it is a dead letter
                agent.recall(
                    spec.decode(answered.value, header_map(answered.headers), answered.key)
                )

    def fail(self, error: BaseException) -> None:
        """Ask for a drain, and have ``run`` raise this error after it."""
        self.failure = self.failure or error
        self._stop.set()

    async def _wait_until_assigned(self, apps: Sequence[StageApp]) -> None:
        while not self._stop.is_set() and not all(app.assigned for app in apps):
            self._notice_crashes(apps)
            await asyncio.sleep(0.02)

    async def _watch(self, apps: Sequence[StageApp]) -> None:
        while not self._stop.is_set():
            self._notice_crashes(apps if self._rerating is None else [*apps, self._rerating])
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), 0.5)

    def _notice_crashes(self, apps: Sequence[StageApp]) -> None:
        for app in apps:
            if app.crash_reason is not None:
                self.fail(app.crash_reason)
