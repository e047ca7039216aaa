"""Which release a worker serves, and when it changes to another."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from models.release import read_manifest, verify
from schemas.errors import BackstreamError, ModelError, WireError
from schemas.records import Release, ReleaseStatus
from schemas.wire import decode, header_map
from streams.releases import in_service, read_releases
from streams.topics import RELEASES

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """What to serve, and the newest release that was considered: only a later one is a reason to choose again."""

    directory: Path
    considered: str | None


def choose(client: Mapping[str, Any], base: Path, refused: Collection[str] = ()) -> Choice:
    """The release in service for this base, if it is here, whole and not in ``refused``; else the base."""
    release = in_service(read_releases(client), read_manifest(base).id)
    if release is None:
        return Choice(base, None)
    directory = Path(release.location)
    try:
        if release.id in refused:
            raise ModelError("it did not load")
        verify(directory)
    except BackstreamError as error:
        log.error("release %s is in service, but cannot be used here (%s): serving %s", release.id, error, base)
        return Choice(base, release.id)
    return Choice(directory, release.id)


async def wait_for_another(client: Mapping[str, Any], base: str, considered: str | None) -> Release:
    """Return when a release of ``base`` other than the one considered is announced to be in service."""
    consumer = AIOKafkaConsumer(**client, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = consumer.partitions_for_topic(RELEASES.name) or {0}
        consumer.assign([TopicPartition(RELEASES.name, partition) for partition in partitions])
        newest: Release | None = None
        while True:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    newest = _serving(record, base) or newest
            if newest is not None and newest.id != considered:
                return newest
    finally:
        await consumer.stop()


def _serving(record: Any, base: str) -> Release | None:
    try:
        release = decode(Release, record.value, header_map(record.headers))
    except WireError:  # a tombstone, or another version's
        return None
    return release if release.base == base and release.status is ReleaseStatus.IN_SERVICE else None
