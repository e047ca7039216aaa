"""Manifests of the releases whose files are here."""

from pathlib import Path

from models.releases.exports import directories_in
from models.releases.release import Manifest, read_manifest
from schemas.errors import ModelError


class Manifests:
    """Finds a manifest by the id of its release."""

    def __init__(self, releases_dir: Path, cache: Path, base: Path | None = None) -> None:
        """``cache`` has the exports of models that releases are trained from.

        ``base`` is the directory of such a model, where it is known.
        """
        self._releases_dir = releases_dir
        self._cache = cache
        self._base = None if base is None else _read(base)

    def __call__(self, id: str) -> Manifest | None:
        """The manifest of a release. None where its directory is not here."""
        if self._base is not None and self._base.id == id:
            return self._base
        # Ratings name releases, and may come from anywhere: an id must not lead elsewhere.
        if id in ("", ".", "..") or "\0" in id or Path(id).name != id:
            return None
        return _read(self._releases_dir / id) or self._exported(id)

    def _exported(self, id: str) -> Manifest | None:
        # An export's directory is named for its checkpoint, and not for its id.
        try:
            directories = directories_in(self._cache)
        except OSError:
            return None
        found = map(_read, directories)
        return next((one for one in found if one is not None and one.id == id), None)


def _read(directory: Path) -> Manifest | None:
    try:
        return read_manifest(directory)
    except ModelError:
        return None
