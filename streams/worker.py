"""A worker: the stages of one process, on one event loop, with one model."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from models.serving import ServedModel
from schemas.records import Example
from schemas.wire import decode, header_map
from streams.faust_app import StageApp
from streams.gate import Gates
from streams.metrics import Metrics
from streams.replay import replay_partition
from streams.roles import load_models
from streams.settings import Role, Settings
from streams.stage import Agent, AgentOf, Stage
from streams.topology import STAGES, AgentMaker, StageSpec, agent_makers
from streams.writer import KafkaWriter

log = logging.getLogger(__name__)
_DRAIN_SECONDS = 30.0


class Worker:
    """Runs stages until told to stop. ``failure`` holds the error where one ended it."""

    def __init__(
        self,
        settings: Settings,
        model_directory: Path | None,
        stages: Sequence[StageSpec] = STAGES,
        measures: Metrics | None = None,
    ) -> None:
        self._settings = settings
        self._model_directory = model_directory
        self._specs = stages
        self._measures = measures or Metrics()
        self._stop = asyncio.Event()
        self.failure: BaseException | None = None
        self.release: str | None = None
        self.ready = False
        """Whether every stage has its partitions and reads."""

    def stop(self) -> None:
        """Ask for a drain. Safe to call more than once."""
        self._stop.set()

    async def run(self, on_ready: Callable[[], Awaitable[None]] | None = None) -> None:
        """Serve until ``stop`` or a failure; then drain, commit and leave. Raises the failure."""
        with contextlib.ExitStack() as loaded:
            models = await self._load_models(loaded)
            async with KafkaWriter(self._settings.kafka.client()) as writer:
                makers = agent_makers(self._settings, models)
                apps = [self._stage_app(spec, makers[spec.name], writer) for spec in self._specs]
                try:
                    await asyncio.gather(*(app.start() for app in apps))
                    await self._wait_until_assigned(apps)
                    self.ready = not self._stop.is_set()
                    if on_ready and self.ready:
                        await on_ready()
                    await self._watch(apps)
                finally:
                    self.ready = False
                    await asyncio.gather(*(app.stop(_DRAIN_SECONDS) for app in apps))
        if self.failure is not None:
            raise self.failure

    async def _load_models(self, loaded: contextlib.ExitStack) -> Mapping[Role, ServedModel]:
        roles = [spec.role for spec in self._specs if spec.role]
        if not roles or self._model_directory is None:
            return {}
        models = await load_models(self._settings, self._model_directory, loaded, roles)
        self.release = next((models[role].release for role in roles if not self._settings.pinned(role)), None)
        return models

    def _stage_app(self, spec: StageSpec, make: AgentMaker, writer: KafkaWriter) -> StageApp:
        gates = Gates()
        stage = Stage(
            spec.name,
            spec.decode,
            self._agent_of(spec, make),
            writer,
            gates,
            self._fail,
            spec.policy(self._settings),
            self._measures,
        )
        return StageApp(stage, spec.source.name, gates, self._settings.kafka)

    def _agent_of(self, spec: StageSpec, make: AgentMaker) -> AgentOf:
        state = spec.state

        async def agent_of(partition: int) -> Agent:
            agent = make()
            if state is not None:
                async for kept in replay_partition(self._settings.kafka.client(), state.name, partition):
                    example = None if kept.value is None else decode(Example, kept.value, header_map(kept.headers))
                    agent.restore((kept.key or b"").decode(), example)  # type: ignore[attr-defined]
            return agent

        return agent_of

    def _fail(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self._stop.set()

    async def _wait_until_assigned(self, apps: Sequence[StageApp]) -> None:
        while not self._stop.is_set() and not all(app.assigned for app in apps):
            self._notice_crashes(apps)
            await asyncio.sleep(0.02)

    async def _watch(self, apps: Sequence[StageApp]) -> None:
        while not self._stop.is_set():
            self._notice_crashes(apps)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), 0.5)

    def _notice_crashes(self, apps: Sequence[StageApp]) -> None:
        for app in apps:
            if app.crash_reason is not None:
                self._fail(app.crash_reason)
