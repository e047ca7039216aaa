"""Files of a directory that others may be able to write to.

A file is opened only if it is a regular file in the directory itself. Links are not followed, and
devices and pipes are not opened. This holds against a change between the check and the opening,
because files are opened relative to the open directory, with O_NOFOLLOW, and checked again.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from schemas.errors import ModelError

_BLOCK = 1 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# A pipe would block the opening until someone writes to it.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Stamp:
    """Identity and state of a file or directory.

    The time of change is set by the kernel at each write, rename and change of mode, and no call
    sets it back. So equal stamps mean that nothing was written in between, as far as the file
    system's clock can tell.
    """

    device: int
    inode: int
    bytes: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        """The stamp of a file's status."""
        return cls(
            status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        )


class ConfinedDirectory:
    """An open directory. Use as a context manager.

    Its methods raise ModelError, naming the file, for anything that is not a regular file in it,
    and for what cannot be read.
    """

    def __init__(self, root: Path, name: str) -> None:
        """Open the directory ``name`` in ``root``.

        ``root`` may be a link; ``name`` may not, and must be a single part of a path. Raises
        ModelError where there is no such directory.
        """
        self.path = root / name
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise ModelError(f"{name!r} is not the name of a directory in {root}")
        try:
            opened = os.open(root, _DIRECTORY)
            try:
                self._handle = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=opened)
            finally:
                os.close(opened)
        except FileNotFoundError as error:
            raise ModelError(f"there is no directory {self.path}") from error
        except NotADirectoryError as error:  # also for a link
            raise ModelError(f"{self.path} is not a directory, or is a link to one") from error
        except OSError as error:
            raise ModelError(f"{self.path} cannot be opened: {error.strerror}") from error

    def __enter__(self) -> "ConfinedDirectory":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._handle)

    def names(self) -> set[str]:
        """Names of everything in the directory, hidden files included."""
        try:
            return set(os.listdir(self._handle))
        except OSError as error:
            raise ModelError(f"{self.path} cannot be listed: {error.strerror}") from error

    def stamp(self) -> Stamp:
        """The directory's own stamp. It changes when an entry is added, removed or renamed."""
        return Stamp.of(os.fstat(self._handle))

    def stamp_of(self, name: str) -> Stamp:
        """The stamp of a file, without opening it."""
        try:
            status = os.stat(name, dir_fd=self._handle, follow_symlinks=False)
        except (OSError, ValueError) as error:
            raise ModelError(f"{self.path / name} cannot be read: {error}") from error
        self._require_regular(name, status)
        return Stamp.of(status)

    def read(self, name: str, limit: int) -> bytes:
        """The content of a file of at most ``limit`` bytes."""
        handle = self._open(name)
        with open(handle, "rb") as file:
            content = self._read(file, name, limit + 1)
        if len(content) > limit:
            raise ModelError(f"{self.path / name} is larger than {limit:,} bytes")
        return content

    def sha256(self, name: str) -> tuple[str, Stamp]:
        """The SHA-256 of a file in hexadecimal, and its stamp from before it was read."""
        handle = self._open(name)
        digest = hashlib.sha256()
        with open(handle, "rb") as file:
            stamp = Stamp.of(os.fstat(handle))
            while block := self._read(file, name, _BLOCK):
                digest.update(block)
        return digest.hexdigest(), stamp

    def _open(self, name: str) -> int:
        self.stamp_of(name)  # opening a device can act on it
        try:
            handle = os.open(name, _FILE, dir_fd=self._handle)
        except OSError as error:
            raise ModelError(f"{self.path / name} cannot be read: {error.strerror}") from error
        try:
            self._require_regular(name, os.fstat(handle))
        except BaseException:
            os.close(handle)
            raise
        return handle

    def _read(self, file: IO[bytes], name: str, count: int) -> bytes:
        try:
            return file.read(count)
        except OSError as error:
            raise ModelError(f"{self.path / name} cannot be read: {error.strerror}") from error

    def _require_regular(self, name: str, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(
                f"{self.path / name} is not a regular file: a release has no links, pipes, devices "
                "or directories"
            )
