"""Which release a worker serves, and how it changes to another while the stream goes on."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from models.releases.release import read_manifest, verify
from schemas.errors import ModelError, WireError
from schemas.records import Release
from streams.kafka.cluster import Cluster
from streams.kafka.messages import Received
from streams.kafka.topics import RELEASES
from streams.releases.announcements import ISOLATION, fold, in_service, read_releases
from streams.settings import Role, Settings
from streams.worker.models import Models

log = logging.getLogger(__name__)
OnEvent = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Serving:
    """What a worker is to serve: a directory, and the announcement that said so, if there was
    one.
    """

    directory: Path
    release: Release | None

    @property
    def term(self) -> int:
        """See ``Rating.term``."""
        return self.release.term if self.release else 0


class Rollout:
    """Keeps a process's models at the release in service. One for a worker; it owns its
    ``Models``.
    """

    def __init__(self, settings: Settings, base: Path, on_event: OnEvent) -> None:
        self._cluster = settings.kafka.cluster()
        self._settings = settings
        self._base = base
        self._base_id = read_manifest(base).id
        self._on_event = on_event
        self._current = Serving(base, None)
        self._considered = 0
        """Term of the newest announcement that was looked at, served or refused: only another is a
        reason to look again.
        """

    async def load(self, roles: list[Role]) -> Models:
        """The models for what is in service now; the base's where that cannot be used here.

        Raises ModelError where the base cannot be loaded either, SettingsError for a pinned model.
        """
        if any(self._settings.pinned(role) is None for role in roles):
            releases = await asyncio.to_thread(read_releases, self._cluster)
            self._current = self._find(in_service(releases, self._base_id))
            self._considered = self._current.term
        if self._current.directory != self._base:
            try:
                await asyncio.to_thread(verify, self._current.directory)
                return await Models.load(
                    self._settings, self._current.directory, roles, self._current.term
                )
            except ModelError as error:
                self._refuse(self._current.release, error)
                self._current = Serving(self._base, None)
        return await Models.load(self._settings, self._base, roles, self._current.term)

    async def follow(self, models: Models) -> AsyncGenerator[Release]:
        """Change the models whenever another release takes service; gives what serves now and after
        each change.

        A release that does not verify or load is refused and told; what served before serves on.
        Ends only when cancelled.
        """
        if self._current.release is not None:
            yield self._current.release
        async for release in announced(self._cluster, self._base_id):
            if release.term == self._considered:
                continue
            started = time.monotonic()
            self._considered, wanted = release.term, self._find(release)
            try:
                # Whatever is written from then on is rated by this release alone:
                # streams/releases/rerating.py relies on it.
                async with models.held_after(
                    release.announced_at + self._settings.rerating.after_seconds - time.time()
                ):
                    await asyncio.to_thread(verify, wanted.directory)
                    await models.change(wanted.directory, wanted.term)
            except ModelError as error:
                self._refuse(release, error)
                continue
            self._current = wanted
            self._on_event(
                {
                    "event": "serving",
                    "release": release.id,
                    "seconds": round(time.monotonic() - started, 2),
                }
            )
            yield release

    def _find(self, release: Release | None) -> Serving:
        is_base = release is None or release.id == self._base_id
        return Serving(self._base if is_base else Path(release.location), release)  # type: ignore[union-attr]

    def _refuse(self, release: Release | None, error: ModelError) -> None:
        assert release is not None, "only a base has no announcement, and nobody refuses that"
        log.error("release %s is in service, but cannot be used here: %s", release.id, error)
        self._on_event({"event": "failed", "error": f"release {release.id} is refused: {error}"})


async def announced(cluster: Cluster, base: str) -> AsyncGenerator[Release]:
    """What is in service for ``base``: now, if anything was ever announced, and each time that it
    changes.
    """
    topic = cluster.topic(RELEASES)
    consumer = AIOKafkaConsumer(
        **cluster.client,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level=ISOLATION,
    )
    await consumer.start()
    try:
        places = [
            TopicPartition(topic, partition)
            for partition in consumer.partitions_for_topic(topic) or {0}
        ]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        found: dict[str, Release] = {}
        told = 0
        while True:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for r in records:
                    with contextlib.suppress(WireError):  # another version's
                        fold(
                            found,
                            Received(r.topic, r.partition, r.offset, r.key, r.value, r.headers),
                        )
            # What is read on the way to the end is history: only after it the order of
            # announcements is known.
            if all([await consumer.position(place) >= ends[place] for place in places]):
                serving = in_service(found.values(), base)
                if serving is not None and serving.term != told:
                    told = serving.term
                    yield serving
    finally:
        await consumer.stop()
