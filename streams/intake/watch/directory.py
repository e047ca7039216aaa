"""A directory on the disk, whose files are fed when they appear and when they change."""

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from schemas.errors import SourceUnavailable
from schemas.text import PassedOver, name_of
from streams.data.sources import Choice, Columns, discover, read
from streams.intake.watch.fed import Fed
from streams.intake.watch.settling import Settling
from streams.intake.watch.source import Item

_LEAST_REST = 10.0
"""A look takes at most one part in this many of the time."""
_OPEN_SECONDS = 60.0
"""A file that a process has open for writing is read when it has not changed for this long."""


class Directory:
    """See Source. A directory with what is below it, or one file."""

    way = "directory"

    def __init__(
        self,
        path: str,
        *,
        seconds: float,
        settle_seconds: float,
        choice: Choice,
        format: str | None,
        columns: Columns,
        without: Path | None = None,
    ) -> None:
        """``seconds`` lie between two looks at least. ``without``: a directory that is left out."""
        self._without = None if without is None else without.resolve()
        self.name = path
        self._root = Path(path)
        self._seconds = seconds
        self._settling = Settling(settle_seconds)
        self._choice = choice
        self._format = format
        self._columns = columns
        self._looked_seconds = 0.0
        self._found: set[str] = set()

    @property
    def pause(self) -> float:
        """See Source. A large directory is looked at less often."""
        return max(self._seconds, _LEAST_REST * self._looked_seconds)

    @property
    def pending(self) -> bool:
        """See Source."""
        return self._settling.pending

    def items(self, fed: Fed) -> Iterator[Item | PassedOver]:
        """See Source."""
        began = time.monotonic()
        if not self._root.exists():
            raise SourceUnavailable(f"{self.name}: no such file or directory")
        root = self._root.resolve()
        self._found = set()
        spent = time.monotonic() - began
        for found in discover([self.name], self._choice):
            began = time.monotonic()
            one = found if isinstance(found, PassedOver) else self._item(found, root, fed)
            spent += time.monotonic() - began
            if isinstance(one, Item | PassedOver):
                yield one
        self._looked_seconds = spent

    def looked(self, fed: Fed) -> None:
        """See Source."""
        self._settling.keep(self._found)

    def _item(self, file: object, root: Path, fed: Fed) -> Item | PassedOver | None:
        """A file as an item; None where there is nothing to read, or not yet."""
        if not isinstance(file, Path):
            return None
        name = name_of(file)
        try:
            status = file.stat()
            if stat.S_ISDIR(status.st_mode):  # one without a file
                return None
            if not stat.S_ISREG(status.st_mode):
                return PassedOver(name, "device or pipe")
            if self._without and file.resolve().is_relative_to(self._without):
                return PassedOver(name, "state of Backstream")
            if file.is_symlink() and not file.resolve().is_relative_to(root):
                return PassedOver(name, "link that leads out of the directory")
        except OSError:  # it is gone
            return None
        version = _version(status)
        if fed.version(name) == version:
            self._settling.forget(name)
            return None
        self._found.add(name)
        if not self._settling.settled(name, version, status.st_mtime) or (
            is_being_written(file)
            and self._settling.age(name, version, status.st_mtime) < _OPEN_SECONDS
        ):
            return None
        self._settling.forget(name)
        return Item(
            name,
            version,
            partial(read, file, format=self._format, columns=self._columns),
            partial(_is_still, file, version),
        )


def _version(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"


def _is_still(file: Path, version: str) -> bool:
    try:
        return _version(file.stat()) == version
    except OSError:
        return False


def is_being_written(file: Path) -> bool:
    """Whether a process has a file open for writing. False where the system does not tell.

    Linux refuses a read lease on such a file. It gives one to the owner of a file only.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    with contextlib.suppress(OSError):
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
    return False
