"""Keeps the models of a worker at the deployed release.

The way of a release through a worker::

    announced ─▶ verify ─▶ load beside the deployed one ─▶ confirm that nothing was changed
              ─▶ replace it between two records ─▶ rate again what the one before has rated
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from agents.recurator import Recurator
from models.releases.release import read_manifest
from schemas.errors import BrokerError, ModelError
from schemas.release import Release
from streams.kafka.reading.records import RecordReader
from streams.releases.announcements import in_service_before, read_releases
from streams.releases.following import follow_in_service
from streams.releases.rerating import boundaries, group_of
from streams.releases.serving import other_base, passed_over
from streams.releases.store import release_store
from streams.settings import Role, Settings
from streams.stages.agent.protocol import Agent
from streams.stages.metrics import REFUSED_RELEASES, Metrics
from streams.stages.topology import RECURATOR
from streams.worker.remote_models import RemoteModels
from streams.worker.role_models import RoleModels
from streams.worker.stage_runner import StageRunner

log = logging.getLogger(__name__)
_RETRY_SECONDS = 2.0
OnEvent = Callable[[Mapping[str, Any]], None]


class ReleaseFollower:
    """Loads the deployed release, and replaces it when another one is deployed.

    Use as a context manager: it loads the models on entry and closes them on exit. ``run`` follows
    the announcements. Roles that the settings pin to a model do not follow.
    """

    models: RoleModels
    """What plays each role. Set on entry."""

    def __init__(
        self,
        settings: Settings,
        base: Path,
        roles: Collection[Role],
        on_event: OnEvent,
        reader: RecordReader,
        metrics: Metrics | None = None,
    ) -> None:
        """Raises SettingsError for an invalid trusted key."""
        self._settings = settings
        self._store = release_store(settings)
        self._metrics = metrics or Metrics()
        self._cluster = settings.kafka.cluster()
        self._reader = reader
        self._base = base
        self._base_id = read_manifest(base).id
        self._roles = roles
        self._on_event = on_event
        self._release: Release | None = None
        """What this worker serves. None for the base before its first announcement."""
        self._refused: set[int] = set()
        """Terms of the announcements that were tried and cannot be used here."""
        self._rerating = asyncio.Lock()
        """Held by the re-rating that runs, until it has drained."""

    async def __aenter__(self) -> "ReleaseFollower":
        """Load the deployed release; where it cannot be used here, the one before it.

        Raises ModelError where the base cannot be loaded either, SettingsError where the model of a
        pinned role cannot, BrokerError where the announcements cannot be read.
        """
        for release in await self._announced():
            self._note_loading(release.id)
            try:
                self.models = await self._load(release)
            except ModelError as error:
                if release.id == self._base_id:
                    raise
                self._refuse(release, error)
            else:
                self._release = release
                return self
        if self._follows:
            self._note_loading(self._base_id)
        self.models = await self._role_models(self._base)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.models.aclose()

    async def run(self, stages: StageRunner) -> None:
        """Follow the announcements until cancelled, and rate again after each change.

        A release that cannot be verified or loaded is refused, with an event ``failed``; the one
        before it stays deployed. Returns at once where no role follows releases. Raises what ends
        a re-rating.
        """
        if not self.models.following:
            return
        async with (
            asyncio.TaskGroup() as tasks,
            aclosing(follow_in_service(self._cluster, self._base_id, self._reader)) as releases,
        ):
            rerating = tasks.create_task(self._rate_again(self._release, stages))
            async for announced in releases:
                if await self._change(announced):
                    rerating.cancel()
                    rerating = tasks.create_task(self._rate_again(self._release, stages))

    async def _change(self, announced: Iterable[Release]) -> bool:
        """Deploy the first of these that can be used. False where it is deployed already."""
        for release in announced:
            if self._release is not None and release.term == self._release.term:
                return False
            if release.term not in self._refused and await self._replace(release):
                self._release = release
                return True
        return False

    @property
    def _follows(self) -> bool:
        """Whether a role follows releases."""
        return any(self._settings.pinned(role) is None for role in self._roles)

    def _note_loading(self, id: str) -> None:
        self._on_event({"event": "loading", "release": id})

    async def _announced(self) -> list[Release]:
        """What is deployed, the last announced first."""
        if not self._follows:
            return []
        releases = await asyncio.to_thread(read_releases, self._cluster, self._reader)
        if (other := passed_over(releases, self._base_id)) is not None:
            reason = other_base(other, self._base_id)
            log.warning("release %s is deployed, and is passed over: %s", other.id, reason)
        return in_service_before(releases, self._base_id)

    async def _role_models(self, directory: Path, term: int = 0) -> RoleModels:
        remote = RemoteModels(self._settings, self._metrics, creates_state=True)
        return await RoleModels.load(self._settings, directory, self._roles, term, remote)

    async def _load(self, release: Release) -> RoleModels:
        directory, confirm = await self._verified(release)
        models = await self._role_models(directory, release.term)
        try:
            await asyncio.to_thread(confirm)
        except ModelError:
            await models.aclose()
            raise
        return models

    async def _replace(self, release: Release) -> bool:
        """Deploy a release here. False where it is refused."""
        self._note_loading(release.id)
        started = time.monotonic()
        rerated_until = release.announced_at + self._settings.rerating.after_seconds
        try:
            # What is written after that moment is not rated again (streams/releases/rerating.py):
            # from then on no record may begin with the previous model.
            with self.models.paused_after(rerated_until - time.time()):
                directory, confirm = await self._verified(release)
                await self.models.replace(directory, release.term, confirm)
        except ModelError as error:
            self._refuse(release, error)
            return False
        seconds = round(time.monotonic() - started, 2)
        self._on_event({"event": "serving", "release": release.id, "seconds": seconds})
        return True

    def _refuse(self, release: Release, error: ModelError) -> None:
        self._refused.add(release.term)
        log.error("release %s is deployed, but cannot be used here: %s", release.id, error)
        self._metrics.counter(REFUSED_RELEASES).inc()
        self._on_event({"event": "failed", "error": f"release {release.id} is refused: {error}"})

    async def _rate_again(self, release: Release | None, stages: StageRunner) -> None:
        """Rate again, until cancelled, the candidates that were rated before ``release``."""
        if release is None or not self._rates_again:
            return
        until = await self._boundaries(release)
        recurator = Recurator(self.models.handles[Role.FORWARD], until)

        async def agent_of(partition: int) -> Agent:
            return recurator

        async with self._rerating:
            group = group_of(self._cluster, release)
            while True:
                try:
                    await stages.run(stages.app(RECURATOR, agent_of, group))
                except BrokerError as error:  # it could not be started
                    await _pause(error)

    @property
    def _rates_again(self) -> bool:
        # A worker may have no stage that rates.
        return self._settings.rates_again and Role.FORWARD in self.models.following

    async def _boundaries(self, release: Release) -> Mapping[int, int]:
        """Wait until the boundaries are final, and for the broker; then read them."""
        seconds = self._settings.rerating.after_seconds
        await asyncio.sleep(max(0.0, release.announced_at + seconds - time.time()))
        while True:
            try:
                return await asyncio.to_thread(boundaries, self._cluster, release, seconds)
            except BrokerError as error:
                await _pause(error)

    async def _verified(self, release: Release) -> tuple[Path, Callable[[], None]]:
        """The directory of a release, and what confirms that it was not changed since.

        The base is what this process was started with, wherever the announcement says it is.
        """
        if release.id == self._base_id:
            return self._base, lambda: None
        verified = await asyncio.to_thread(self._store.verify, release)
        return verified.directory, verified.confirm


async def _pause(error: BrokerError) -> None:
    log.warning("%s; trying again in %.0f s", error, _RETRY_SECONDS)
    await asyncio.sleep(_RETRY_SECONDS)
