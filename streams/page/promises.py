"""What the judges of releases promise, where their files are here."""

from pathlib import Path

from models.releases.exports import directories_in
from models.releases.release import Manifest, read_manifest
from models.remote.address import is_remote_release
from models.remote.kept_judges import read_judges
from schemas.errors import ModelError
from streams.page.store.stream_views import NO_FILES, Promise, Unknown


class Promises:
    """Finds what a judge promises by the id of its release."""

    def __init__(self, releases_dir: Path, cache: Path, base: Path | None = None) -> None:
        """``cache`` has exports of models that releases are trained from, and remote judges.

        ``base`` is the directory of such a model, where it is known.
        """
        self._releases_dir = releases_dir
        self._cache = cache
        self._base = None if base is None else _read(base)

    def __call__(self, id: str) -> Promise:
        """What the judge of a release promises, or why that is not known here."""
        # Ratings name releases, and may come from anywhere: an id must not lead elsewhere.
        if id in ("", ".", "..") or "\0" in id or Path(id).name != id:
            return NO_FILES
        if is_remote_release(id):
            return self._remote(id)
        manifest = self._manifest(id)
        if manifest is None:
            return NO_FILES
        if manifest.judges is None:
            return Promise(unknown=Unknown.NO_JUDGE)
        return Promise(manifest.judges.combined.curve)

    def _remote(self, id: str) -> Promise:
        try:
            judges = read_judges(self._cache, id)
        except ModelError:
            return Promise(unknown=Unknown.DAMAGED_REMOTE)
        return Promise(judges.combined.curve) if judges else Promise(unknown=Unknown.REMOTE)

    def _manifest(self, id: str) -> Manifest | None:
        if self._base is not None and self._base.id == id:
            return self._base
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
