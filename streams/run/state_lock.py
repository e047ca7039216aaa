"""One ``up`` or ``demo`` for each state directory."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from models.private_files import PRIVATE_MODE, private_directory
from schemas.errors import SettingsError

_FILE = "up.lock"
_LOOK_SECONDS = 0.2
"""Longer than another process takes to look at the lock."""


@contextlib.contextmanager
def only_one(state_dir: Path) -> Iterator[None]:
    """Hold a state directory while the block runs. The lock ends with the process, however it ends.

    Raises SettingsError where the directory cannot be used and, with the process id of the other,
    where another process holds it.
    """
    try:
        private_directory(state_dir)
        descriptor = os.open(state_dir / _FILE, os.O_RDWR | os.O_CREAT, PRIVATE_MODE)
    except OSError as error:
        raise SettingsError(
            f"cannot use the state directory {state_dir}: {error.strerror or error}. Choose "
            "another --state-dir"
        ) from error
    with os.fdopen(descriptor, "r+") as file:
        try:
            _lock(file)
        except BlockingIOError:
            raise SettingsError(
                f"`backstream up` or `demo` already runs on {state_dir}, as process "
                f"{file.read().strip() or 'unknown'}: stop it, or choose another --state-dir. "
                "For more workers on the same stream, start `backstream worker`"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def holder(state_dir: Path) -> str | None:
    """The process id of the ``up`` or ``demo`` that holds a state directory; None without one."""
    try:
        with (state_dir / _FILE).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read().strip() or "unknown"
    except OSError:
        pass
    return None


def _lock(file: IO[str]) -> None:
    """Lock a file. Raises BlockingIOError where another process holds it for longer than a look."""
    deadline = time.monotonic() + _LOOK_SECONDS
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
