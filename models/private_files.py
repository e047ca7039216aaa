"""Files and directories that only their owner can use."""

import errno
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

PRIVATE_UMASK = 0o077
"""Leaves nothing to group and others."""
PRIVATE_MODE = 0o600
_DIRECTORY_MODE = 0o700
_SPECIAL = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX


def private_directory(directory: Path) -> None:
    """Make a directory that only its owner can enter, with the directories above it.

    An existing one that others can enter is closed to them, with a warning. One that belongs to
    another user, or has a special bit as ``/tmp`` has, is left as it is, with a warning. Raises
    OSError.
    """
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
    status = directory.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory))
    mode = stat.S_IMODE(status.st_mode)
    if not mode & PRIVATE_UMASK:
        return
    if status.st_uid != os.geteuid() or mode & _SPECIAL:
        log.warning(
            "%s can be used by other users (mode %04o, user %d): give Backstream a directory of "
            "its own",
            directory,
            mode,
            status.st_uid,
        )
        return
    directory.chmod(_DIRECTORY_MODE)
    log.warning("%s could be used by other users (mode %04o); now it cannot", directory, mode)


@contextmanager
def private_umask() -> Iterator[None]:
    """Let everything that is created while the block runs belong to the owner only.

    The umask is that of the whole process, and of the processes that it starts meanwhile.
    """
    before = os.umask(PRIVATE_UMASK)
    try:
        yield
    finally:
        os.umask(before)
