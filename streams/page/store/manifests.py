"""The manifests of releases whose directories are on this machine."""

import re
from collections.abc import Iterable
from pathlib import Path

from models.releases.release import MANIFEST, Manifest, read_manifest
from schemas.errors import ModelError

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class Manifests:
    """Finds manifests by the id of the release. Call it with an id; any thread may.

    The ids come from topics, and are not to be trusted: one that is no name of a directory finds
    nothing.
    """

    def __init__(self, releases_dir: Path, cache: Path) -> None:
        """``cache`` is where exported models are, which are releases too."""
        self._releases_dir = releases_dir
        self._cache = cache
        self._found: dict[str, Manifest] = {}

    def __call__(self, release: str) -> Manifest | None:
        """The manifest, or None where there is no such directory here."""
        if release not in self._found and _ID.fullmatch(release):
            own = [self._releases_dir / release / MANIFEST]
            manifest = _with_id(release, own) or _with_id(
                release, self._cache.glob(f"*/{MANIFEST}")
            )
            if manifest is not None:
                self._found[release] = manifest
        return self._found.get(release)


def _with_id(release: str, files: Iterable[Path]) -> Manifest | None:
    for file in files:
        try:
            manifest = read_manifest(file.parent)
        except ModelError:
            continue
        if manifest.id == release:
            return manifest
    return None
