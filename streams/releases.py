"""The ``releases`` topic: which models exist and which is in service.

The topic has one partition and is compacted, so the announcements keep their order: of the releases that are announced to
be in service the last announced one is. To promote is to announce again; to roll back is to announce the one in service
as kept, which leaves the one before it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from schemas.errors import BrokerError, SettingsError
from schemas.records import Release, ReleaseStatus
from schemas.wire import decode, encode, header_map, headers_for
from streams.replay import replay
from streams.topics import RELEASES


def read_releases(client: Mapping[str, Any]) -> list[Release]:
    """Every release, in the order of their last announcements, which are what counts."""
    found: dict[str, Release] = {}
    for received in replay(client, RELEASES.name):
        fold(found, received.key, received.value, received.headers)
    return list(found.values())


def fold(found: dict[str, Release], key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> None:
    """Take one message of the topic into the releases known so far, by id. Raises WireError for another version's."""
    release = None if value is None else decode(Release, value, header_map(headers))
    found.pop(release.id if release else (key or b"").decode(errors="replace"), None)
    if release is not None:
        found[release.id] = release


def in_service(releases: Iterable[Release], base: str) -> Release | None:
    """The release that workers on model ``base`` serve; None where that is the base itself."""
    serving = [r for r in releases if r.base == base and r.status is ReleaseStatus.IN_SERVICE]
    return serving[-1] if serving else None


def promote(client: Mapping[str, Any], id: str) -> Release:
    """Put a release into service. Raises SettingsError where there is none of this id, BrokerError."""
    release = find(read_releases(client), id).model_copy(update={"status": ReleaseStatus.IN_SERVICE})
    announce(client, release)
    return release


def roll_back(client: Mapping[str, Any], base: str) -> Release:
    """Take the release in service out of it, so that the one before it serves; returns the one taken out.

    Raises SettingsError where the base itself is in service, BrokerError.
    """
    serving = in_service(read_releases(client), base)
    if serving is None:
        raise SettingsError(f"{base} itself is in service: there is nothing to roll back")
    announce(client, serving.model_copy(update={"status": ReleaseStatus.KEPT}))
    return serving


def find(releases: Iterable[Release], id: str) -> Release:
    """The release of an id. Raises SettingsError where there is none."""
    found = next((release for release in releases if release.id == id), None)
    if found is None:
        raise SettingsError(f"no release {id}; `backstream releases list` shows them")
    return found


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
