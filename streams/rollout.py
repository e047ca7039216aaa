"""Which release a worker serves, and when it changes to another."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from models.release import read_manifest, verify
from schemas.errors import BackstreamError, WireError
from schemas.records import Release, ReleaseStatus
from schemas.wire import decode, header_map
from streams.releases import in_service, read_releases
from streams.topics import RELEASES

log = logging.getLogger(__name__)


def choose(client: Mapping[str, Any], base: Path) -> Path:
    """Directory of the release to serve: the one in service for this base, if it is here and whole; else the base."""
    release = in_service(read_releases(client), read_manifest(base).id)
    if release is None:
        return base
    directory = Path(release.location)
    try:
        verify(directory)
    except BackstreamError as error:
        log.error("release %s is in service, but cannot be used here (%s): serving %s", release.id, error, base)
        return base
    return directory


async def wait_for_another(client: Mapping[str, Any], base: str, serving: str) -> Release:
    """Return when a release of ``base`` other than ``serving`` is announced to be in service."""
    consumer = AIOKafkaConsumer(**client, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = consumer.partitions_for_topic(RELEASES.name) or {0}
        consumer.assign([TopicPartition(RELEASES.name, partition) for partition in partitions])
        newest: Release | None = None
        while True:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    try:
                        release = decode(Release, record.value, header_map(record.headers))
                    except WireError:
                        continue
                    if release.base == base and release.status is ReleaseStatus.IN_SERVICE:
                        newest = release
            if newest is not None and newest.id != serving:
                return newest
            await asyncio.sleep(0)
    finally:
        await consumer.stop()
