"""Which broker runs on a directory: its owner's lock, its address, and what a killed owner left."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from models.atomic_file import write_atomically
from models.private_files import PRIVATE_MODE
from schemas.errors import BrokerError
from streams.kafka.embedded.ports import listens

_FILE = "broker.json"
_LOCK = "lock"
_ORPHAN_SECONDS = 5.0
_LOCK_SECONDS = 0.5


class Running(NamedTuple):
    """A running broker, as its owner writes it down for other processes."""

    address: str
    pid: int

    @classmethod
    def read(cls, directory: Path) -> "Running | None":
        """What was written for ``directory``, whether or not it still runs. None without that."""
        try:
            written = json.loads((directory / _FILE).read_text())
            return cls(str(written["address"]), int(written["pid"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, directory: Path) -> None:
        """Write it down, once the broker listens. Raises OSError."""
        write_atomically(directory / _FILE, json.dumps(self._asdict()), mode=PRIVATE_MODE)

    @staticmethod
    def remove(directory: Path) -> None:
        """Remove what was written."""
        (directory / _FILE).unlink(missing_ok=True)


def running_address(directory: Path) -> str | None:
    """Address of the broker that runs on ``directory``, in any process. None without one.

    None too where its owner was killed: such a broker is about to end.
    """
    running = Running.read(directory)
    if running is None or not listens(running.address) or not _is_locked(directory / _LOCK):
        return None
    return running.address


def end_orphan(directory: Path) -> None:
    """End the broker that still runs on ``directory`` after its owner was killed.

    Called by the holder of the lock, so the process that the directory names has no owner.
    """
    running = Running.read(directory)
    if running is None or not _is_broker(running.pid, directory):
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGTERM)
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while _is_broker(running.pid, directory):
            if time.monotonic() > deadline:
                os.kill(running.pid, signal.SIGKILL)
            time.sleep(0.05)


def _is_broker(pid: int, directory: Path) -> bool:
    """Whether a process is the broker of ``directory``, and not another one with the same id."""
    return str(properties_file(directory)) in _command_line(pid)


def _command_line(pid: int) -> str:
    """The words of a running process; empty without one."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
        except OSError:
            return ""
    command = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def properties_file(directory: Path) -> Path:
    """The broker's configuration. Its path is in the command line of the process."""
    return directory.absolute() / "server.properties"


def take_lock(directory: Path) -> int:
    """Lock a directory for the owner of its broker, and return the descriptor to close.

    The lock ends with the process. Raises BrokerError where another process has it, OSError.
    """
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, PRIVATE_MODE)
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except OSError as error:
            if time.monotonic() < deadline:  # perhaps for a moment, by _is_locked
                time.sleep(0.05)
                continue
            os.close(descriptor)
            raise BrokerError(
                f"{directory} is in use by another Backstream: wait until its broker has started, "
                "stop it, or choose another --state-dir"
            ) from error


def _is_locked(file: Path) -> bool:
    try:
        with file.open("rb+") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
