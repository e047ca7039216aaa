"""Which of the deployed releases a process can use, and why not the others."""

from collections.abc import Iterable
from dataclasses import dataclass

from models.releases.store import ReleaseStore
from schemas.errors import ModelError
from schemas.release import Release, ReleaseStatus
from streams.releases.announcements import in_service_before


@dataclass(frozen=True, slots=True)
class Serving:
    """What serves where the files of releases are those of one store."""

    release: Release | None
    """The last one that was deployed and can be used; None before the first."""
    refused: dict[str, str]
    """Id of each later one to the reason why it cannot be used."""


def serving_of(releases: Iterable[Release], base: str, store: ReleaseStore) -> Serving:
    """Choose what serves for ``base``, as workers do. Hashes the files of releases."""
    refused: dict[str, str] = {}
    for release in in_service_before(releases, base):
        if release.id == base:
            return Serving(release, refused)
        try:
            store.verify(release)
        except ModelError as error:
            refused[release.id] = str(error)
        else:
            return Serving(release, refused)
    return Serving(None, refused)


def serving_here(releases: Iterable[Release], base: str, store: ReleaseStore) -> Serving:
    """See ``serving_of``; where none is for ``base``, the last one of another base is refused."""
    found = [*releases]
    if (other := passed_over(found, base)) is not None:
        return Serving(None, {other.id: str(other_base(other, base))})
    return serving_of(found, base, store)


def other_base(release: Release, base: str) -> str | None:
    """Why workers on ``base`` pass over a release that was trained from another one, or None."""
    if release.base == base:
        return None
    return (
        f"trained from {release.base}, and the model here is {base}: another model, or one that "
        "another version, or one with other prompts, has exported"
    )


def passed_over(releases: Iterable[Release], base: str) -> Release | None:
    """The last deployed release, where none is for ``base`` and so the base itself serves."""
    found = [one for one in releases if one.status is ReleaseStatus.IN_SERVICE]
    if not found or any(one.base == base for one in found):
        return None
    return found[-1]
