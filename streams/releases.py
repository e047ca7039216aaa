"""The ``releases`` topic: which models exist and which is in service."""

from collections.abc import Mapping
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas.errors import BrokerError
from schemas.records import Release, ReleaseStatus
from schemas.wire import decode, encode, header_map, headers_for
from streams.replay import replay
from streams.topics import RELEASES


def read_releases(client: Mapping[str, Any]) -> list[Release]:
    """Every release, oldest first; the newest announcement of each id counts."""
    found: dict[str, Release] = {}
    for received in replay(client, RELEASES.name):
        if received.value is None:
            found.pop((received.key or b"").decode(errors="replace"), None)
        else:
            release = decode(Release, received.value, header_map(received.headers))
            found[release.id] = release
    return sorted(found.values(), key=lambda release: release.created_at)


def in_service(releases: list[Release], base: str) -> Release | None:
    """The release that workers on model ``base`` serve; None where that is the base itself."""
    serving = [r for r in releases if r.base == base and r.status is ReleaseStatus.IN_SERVICE]
    return serving[-1] if serving else None


def announce(client: Mapping[str, Any], release: Release) -> None:
    """Write a release to the topic and wait for the broker. Raises BrokerError."""
    try:
        producer = KafkaProducer(**client, acks="all")
        try:
            future = producer.send(RELEASES.name, encode(release), release.id.encode(), headers=headers_for(Release))
            future.get(timeout=60)
        finally:
            producer.close()
    except KafkaError as error:
        raise BrokerError(f"release {release.id} could not be announced: {error}") from error
