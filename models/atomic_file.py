"""Files that another process trusts: they appear whole or not at all."""

import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


@contextmanager
def atomic_file(path: Path, *, mode: int = 0o666, via: Path | None = None) -> Iterator[IO[bytes]]:
    """Open a file beside ``path`` that replaces it once it is written and synced.

    It is created with ``mode``, less the process's umask. ``via`` is another directory, on the same
    file system, to write it in. On an error or an interrupt it is removed, and ``path`` stays as it
    was. Raises OSError.
    """
    beside = (via or path.parent) / f".{path.name}.{os.getpid()}.partial"
    try:
        with open(beside, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync(path.parent)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise


def write_atomically(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Write a text as UTF-8 through ``atomic_file``."""
    with atomic_file(path, mode=mode) as file:
        file.write(text.encode())


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Make a directory beside ``path`` that becomes it once its files are written and synced.

    ``path`` does not exist. On an error or an interrupt nothing is left. One process at a time may
    do this for a path: what an earlier one left is removed. The directory has a name of its own,
    because a child of a process that was killed may still write into the earlier one. Raises
    OSError.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*partial"):
        shutil.rmtree(left, ignore_errors=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    partial.mkdir(parents=True)
    try:
        yield partial
        for file in partial.iterdir():
            sync(file)
        partial.rename(path)
        sync(path.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def sync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
