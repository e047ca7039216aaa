"""Models by name: turns what ``--model`` says into a release directory, exporting it once. No torch
in this process.
"""

import asyncio
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from models.releases.checkpoints import HOUSE, checkpoint_digest, locate, sha256_of
from models.releases.release import (
    MANIFEST,
    Origin,
    is_release,
    read_manifest,
    release_id,
    verify,
    write_atomically,
    write_manifest,
)
from schemas.errors import ModelError

EXPORT_VERSION = 10
"""Part of every cache key: raised when the export or the golden vectors change, so that old exports
are left alone.
"""

Progress = Callable[[str], None]

_PROJECT = Path(__file__).parents[2]


def default_cache() -> Path:
    """Where exports are kept: BACKSTREAM_CACHE, else ``backstream`` under XDG_CACHE_HOME, else
    under ``~/.cache``.
    """
    if given := os.environ.get("BACKSTREAM_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "backstream"


def prepare(model: str, cache: Path, *, progress: Progress = lambda line: None) -> Path:
    """The release directory of ``house``, a checkpoint directory, a release directory, or a Hugging
    Face id.

    A release is verified and returned as it is. Anything else is exported once into ``cache``, in a
    process of its own, and found there the next time; of two processes that ask at once, one
    exports and the other waits. Works offline for all but a hub model that is not in the hub's
    cache. Blocks: from a running event loop, call it in a thread. ``progress`` gets a line where
    something takes long.

    Raises ModelError where the model is not there, not usable, or not as it was written.
    """
    given = Path(model).expanduser()
    if model != HOUSE and is_release(given):
        return _verified(given.resolve(), cache)
    checkpoint = locate(model)
    key = _key(checkpoint, cache)
    release = cache / f"{_slug(model)}-{key[:16]}"
    if is_release(release):  # without the lock: a cache that cannot be written still serves
        return _verified(release, cache)
    try:
        release.parent.mkdir(parents=True, exist_ok=True)
        with _locked(cache / f".{release.name}.lock", progress):
            if not is_release(release):
                progress(f"exporting {model} to ONNX, once")
                _build(checkpoint, release, _slug(model))
                progress(f"exported {model} to {release}")
    except OSError as error:
        raise ModelError(
            f"{cache} cannot be written: {error.strerror or error}: set BACKSTREAM_CACHE to "
            "another place"
        ) from error
    return _verified(release, cache)


def cached(cache: Path) -> list[Path]:
    """The release directories in a cache, oldest first."""
    found = [
        file.parent for file in cache.glob(f"*/{MANIFEST}") if not file.parent.name.startswith(".")
    ]
    return sorted(
        found, key=lambda directory: (read_manifest(directory).created_at, directory.name)
    )


def _build(checkpoint: Path, release: Path, prefix: str) -> None:
    """Export into a directory beside the release and rename it. The caller holds the lock."""
    partial = release.with_name(f".{release.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(release, ignore_errors=True)  # a directory without a manifest: someone deleted it
    try:
        _export(checkpoint, partial)
        id = release_id(partial, prefix, (str(EXPORT_VERSION),))
        asyncio.run(write_manifest(partial, Origin(id=id, base=id)))
        partial.rename(release)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _export(checkpoint: Path, destination: Path) -> None:
    """Run ``models.export`` in a process of its own: torch is heavy, and stays out of workers."""
    paths = [str(_PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"}
    process = subprocess.run(
        [sys.executable, "-m", "models.export", str(checkpoint), str(destination)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if process.returncode:
        lines = deque((line for line in process.stderr.splitlines() if line.strip()), maxlen=1)
        raise ModelError(
            lines[0]
            if lines
            else f"the export of {checkpoint} ended with status {process.returncode}"
        )


def _locked(file: Path, progress: Progress) -> FileLock:
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
        lock.release()
    except Timeout:
        progress("waiting for another process that is exporting the same model")
    return lock


def _verified(release: Path, cache: Path) -> Path:
    digests = KnownDigests.of(release, cache)
    verify(release, digests)
    digests.save()
    return release


def _key(checkpoint: Path, cache: Path) -> str:
    digests = KnownDigests.of(checkpoint, cache)
    digest = checkpoint_digest(checkpoint, digests)
    digests.save()
    return hashlib.sha256(f"{EXPORT_VERSION} {digest}".encode()).hexdigest()


@dataclass(slots=True)
class KnownDigests:
    """Sums of a directory's files, remembered in the cache by size and time of change: big files
    are summed once.
    """

    store: Path
    known: dict[str, list[int | str]]
    changed: bool = False

    @classmethod
    def of(cls, directory: Path, cache: Path) -> "KnownDigests":
        """What is remembered of a directory; nothing where the memory is missing or unreadable."""
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
        """The sum of a file, in hexadecimal. Raises ModelError where it cannot be read."""
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
        """Remember. A cache that cannot be written costs time, not correctness, so that is no
        error.
        """
        if not self.changed:
            return
        try:
            self.store.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.store, json.dumps(self.known) + "\n")
        except OSError:
            pass


def _slug(model: str) -> str:
    """A readable name for files and ids: the last part of a path or hub id, in lower case."""
    name = re.sub(
        r"[^a-z0-9]+",
        "-",
        Path(model).expanduser().resolve().name.lower() if model != HOUSE else HOUSE,
    )
    return name.strip("-")[:40] or "model"
