"""Which release a worker serves, and when it changes to another."""

import contextlib
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from models.release import read_manifest, verify
from schemas.errors import BackstreamError, ModelError, WireError
from schemas.records import Release
from streams.releases import fold, in_service, read_releases
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


async def wait_for_another(client: Mapping[str, Any], base: str, considered: str | None) -> None:
    """Return when another release than the one considered is in service for ``base``, or, where it was taken out, none."""
    consumer = AIOKafkaConsumer(**client, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = consumer.partitions_for_topic(RELEASES.name) or {0}
        places = [TopicPartition(RELEASES.name, partition) for partition in partitions]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        found: dict[str, Release] = {}
        while True:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    with contextlib.suppress(WireError):  # another version's
                        fold(found, record.key, record.value, record.headers)
            # What is read on the way to the end is history: only after it the order of announcements is known.
            if all([await consumer.position(place) >= ends[place] for place in places]):
                serving = in_service(found.values(), base)
                if (serving.id if serving else None) != considered:
                    return
    finally:
        await consumer.stop()
