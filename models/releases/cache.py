"""The cache directory: where it is, its locks, and the digests of files that it remembers."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from models.atomic_file import write_atomically
from models.progress import Report
from models.releases.checkpoints import sha256_of
from schemas.errors import ModelError


def default_cache() -> Path:
    """Where exports are kept.

    BACKSTREAM_CACHE, else ``backstream`` under XDG_CACHE_HOME, else under ``~/.cache``.
    """
    if given := os.environ.get("BACKSTREAM_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "backstream"


def locked(file: Path, progress: Report) -> FileLock:
    """A lock to hold while a part of the cache is made, for ``with``.

    ``progress`` gets a line where another process holds it.
    """
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
        lock.release()
    except Timeout:
        progress("waiting for another process that prepares the same model")
    return lock


@dataclass(slots=True)
class KnownDigests:
    """SHA-256 digests of a directory's files, so that large files are hashed once.

    They are kept in the cache with each file's size and time of change.
    """

    store: Path
    known: dict[str, list[int | str]]
    changed: bool = False

    @classmethod
    def of(cls, directory: Path, cache: Path) -> "KnownDigests":
        """The digests kept for a directory; none where their file is missing or unreadable."""
        name = hashlib.sha256(
            str(directory.resolve()).encode("utf-8", "surrogatepass")
        ).hexdigest()[:32]
        store = cache / "digests" / f"{name}.json"
        try:
            known = json.loads(store.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
        return cls(store, known if isinstance(known, dict) else {})

    def __call__(self, file: Path) -> str:
        """The digest of a file, in hexadecimal. Raises ModelError where it cannot be read."""
        try:
            status = file.stat()
        except OSError as error:
            raise ModelError(f"{file} cannot be read: {error.strerror or error}") from error
        entry = self.known.get(file.name)
        if (
            isinstance(entry, list)
            and len(entry) == 3
            and entry[:2] == [status.st_size, status.st_mtime_ns]
        ):
            return str(entry[2])
        digest = sha256_of(file)
        self.known[file.name] = [status.st_size, status.st_mtime_ns, digest]
        self.changed = True
        return digest

    def save(self) -> None:
        """Write the digests to the cache.

        A cache that cannot be written is not an error: the files are hashed again.
        """
        if not self.changed:
            return
        try:
            self.store.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.store, json.dumps(self.known) + "\n")
        except OSError:
            pass
