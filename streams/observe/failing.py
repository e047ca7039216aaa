"""Which processes of ``up`` end again and again, and why, for other processes to show.

The supervisor writes it to a file of the state directory. It counts as long as the supervisor runs.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from models.atomic_file import write_atomically
from models.private_files import PRIVATE_MODE

_FILE = "failing.json"


class Failing:
    """Keeps the file of a state directory. It is there only where a process fails."""

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / _FILE
        self._errors: dict[str, str] = {}

    def note(self, process: str, error: str) -> None:
        """A process has ended with this error."""
        if self._errors.get(process) != error:
            self._errors[process] = error
            self._write()

    def clear(self, process: str) -> None:
        """A process does its work."""
        if self._errors.pop(process, None) is not None:
            self._write()

    def remove(self) -> None:
        """Remove the file, also that of a supervisor that was killed."""
        self._errors.clear()
        self._write()

    def _write(self) -> None:
        # It only informs: a disk that is full must not end the supervisor.
        with contextlib.suppress(OSError):
            if not self._errors:
                self._file.unlink(missing_ok=True)
                return
            written = {"supervisor": os.getpid(), "errors": self._errors}
            write_atomically(self._file, json.dumps(written), mode=PRIVATE_MODE)


def read_failing(state_dir: Path) -> Mapping[str, str]:
    """Process to the error that it last ended with, where it has not worked since."""
    try:
        written = json.loads((state_dir / _FILE).read_text())
        os.kill(int(written["supervisor"]), 0)
        return {str(name): str(error) for name, error in written["errors"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return {}
