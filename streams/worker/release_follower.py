"""Keeps the models of a worker at the release in service.

The way of a release through a worker::

    announced ─▶ verify ─▶ load beside the one in service ─▶ replace it between two records
              ─▶ rate again what the one before has rated
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from agents.recurator import Recurator
from models.releases.release import read_manifest, verify
from schemas.errors import BrokerError, ModelError
from schemas.records import Release
from streams.kafka.reading import RecordReader
from streams.releases.announcements import in_service, read_releases
from streams.releases.following import follow_in_service
from streams.releases.rerating import boundaries, group_of
from streams.settings import Role, Settings
from streams.stages.stage import Agent
from streams.stages.topology import RECURATOR
from streams.worker.role_models import RoleModels
from streams.worker.stage_runner import StageRunner

log = logging.getLogger(__name__)
_RETRY_SECONDS = 2.0
OnEvent = Callable[[Mapping[str, Any]], None]


class ReleaseFollower:
    """Loads the release in service, and replaces it when another one is put into service.

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
    ) -> None:
        self._settings = settings
        self._cluster = settings.kafka.cluster()
        self._reader = reader
        self._base = base
        self._base_id = read_manifest(base).id
        self._roles = roles
        self._on_event = on_event
        self._release: Release | None = None
        """What was in service on entry. None for the base before its first announcement."""
        self._considered = 0
        """Term of the newest announcement that was tried, whether it was used or refused."""
        self._rerating = asyncio.Lock()
        """Held by the re-rating that runs, until it has drained."""

    async def __aenter__(self) -> "ReleaseFollower":
        """Load the release in service, or the base where that release cannot be used here.

        Raises ModelError where the base cannot be loaded either, SettingsError where the model of a
        pinned role cannot, BrokerError where the announcements cannot be read.
        """
        if any(self._settings.pinned(role) is None for role in self._roles):
            releases = await asyncio.to_thread(read_releases, self._cluster, self._reader)
            self._release = in_service(releases, self._base_id)
        release = self._release
        if release is not None:
            self._considered = release.term
        try:
            self.models = await self._load(release)
        except ModelError as error:
            if release is None or release.id == self._base_id:
                raise
            self._refuse(release, error)
            self._release = None
            self.models = await self._load(None)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.models.close()

    async def run(self, stages: StageRunner) -> None:
        """Follow the announcements until cancelled, and rate again after each change.

        A release that cannot be verified or loaded is refused, with an event ``failed``; the one
        before it stays in service. Returns at once where no role follows releases. Raises what ends
        a re-rating.
        """
        if not self.models.following:
            return
        async with (
            asyncio.TaskGroup() as tasks,
            aclosing(follow_in_service(self._cluster, self._base_id, self._reader)) as releases,
        ):
            rerating = tasks.create_task(self._rate_again(self._release, stages))
            async for release in releases:
                if release.term != self._considered and await self._replace(release):
                    rerating.cancel()
                    rerating = tasks.create_task(self._rate_again(release, stages))

    async def _load(self, release: Release | None) -> RoleModels:
        directory = self._directory(release)
        if directory != self._base:
            await asyncio.to_thread(verify, directory)
        term = release.term if release else 0
        return await RoleModels.load(self._settings, directory, self._roles, term)

    async def _replace(self, release: Release) -> bool:
        """Put a release into service here. False where it is refused."""
        started = time.monotonic()
        self._considered = release.term
        directory = self._directory(release)
        rerated_until = release.announced_at + self._settings.rerating.after_seconds
        try:
            # What is written after that moment is not rated again (streams/releases/rerating.py):
            # from then on no record may begin with the previous model.
            with self.models.paused_after(rerated_until - time.time()):
                await asyncio.to_thread(verify, directory)
                await self.models.replace(directory, release.term)
        except ModelError as error:
            self._refuse(release, error)
            return False
        seconds = round(time.monotonic() - started, 2)
        self._on_event({"event": "serving", "release": release.id, "seconds": seconds})
        return True

    def _refuse(self, release: Release, error: ModelError) -> None:
        log.error("release %s is in service, but cannot be used here: %s", release.id, error)
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
            await stages.run(stages.app(RECURATOR, agent_of, group))

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
                log.warning("%s; trying again in %.0f s", error, _RETRY_SECONDS)
                await asyncio.sleep(_RETRY_SECONDS)

    def _directory(self, release: Release | None) -> Path:
        if release is None or release.id == self._base_id:
            return self._base
        return Path(release.location)
