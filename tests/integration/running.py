"""Commands that run until they are stopped, as processes that print events as JSON lines."""

import contextlib
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]


class Running:
    """A process of ``backstream``, and the events that it has printed."""

    def __init__(self, process: "subprocess.Popen[str]", errors: Path) -> None:
        self.process = process
        self._errors = errors
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def event(self, name: str, seconds: float = 180) -> dict[str, Any]:
        """The next event of this name."""
        while True:
            try:
                event = self._events.get(timeout=seconds)
            except queue.Empty:
                raise AssertionError(f"no event {name}; stderr: {self.errors}") from None
            if event["event"] == name:
                return event

    @property
    def errors(self) -> str:
        """What it wrote to standard error."""
        return self._errors.read_text()

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(180)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._events.put(json.loads(line))


@contextlib.contextmanager
def started(directory: Path, *arguments: str) -> Iterator[Running]:
    """Start a command; its standard error goes to a file in ``directory``. It is killed after."""
    errors = directory / f"{arguments[0]}.stderr"
    with (
        errors.open("a") as file,
        subprocess.Popen(
            [sys.executable, "-m", "streams", *arguments],
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            cwd=_ROOT,
        ) as process,
    ):
        running = Running(process, errors)
        try:
            yield running
        finally:
            running.kill()
