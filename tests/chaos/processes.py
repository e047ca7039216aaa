"""The product's processes, by its command line, and who starts them again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from models.child_process import ending_with

_ROOT = Path(__file__).parents[2]
_RESTART_SECONDS = 1.0
_DRAIN_SECONDS = 60.0


@dataclass
class Process:
    """One ``backstream`` command, with its events (lines of JSON) and its log in files."""

    name: str
    arguments: Sequence[str]
    directory: Path
    may_end: bool = False
    """Whether its end by itself is no problem: it is started again."""
    starts: int = 0
    started: float = 0.0
    """When it was started last, of ``time.monotonic``."""
    popen: subprocess.Popen[bytes] | None = None
    _out: BinaryIO | None = None

    @property
    def pid(self) -> int:
        assert self.popen is not None
        return self.popen.pid

    @property
    def alive(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"

    def start(self) -> None:
        self.starts += 1
        self.started = time.monotonic()
        with self.log.open("ab") as log, self._events.open("wb") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "streams", *self.arguments],
                cwd=_ROOT,
                stdout=out,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=ending_with(os.getpid()),
                env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
            )

    def run(self, seconds: float) -> int | None:
        """Start it and wait for its end. The exit code, or None where it took longer."""
        self.start()
        assert self.popen is not None
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    @property
    def last_line(self) -> str:
        """The end of what it logged, or else of what it printed."""
        files = [file for file in (self._events, self.log) if file.exists()]
        lines = [line for file in files for line in file.read_text(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line.strip()), "")[:300]

    def events(self) -> Iterator[Mapping[str, Any]]:
        """The events since the last start."""
        if not self._events.exists():
            return
        for line in self._events.read_text(errors="replace").splitlines():
            try:
                event = json.loads(line)
            except ValueError:  # not written to its end yet
                continue
            if isinstance(event, dict) and "event" in event:
                yield event

    def has_event(self, *kinds: str) -> bool:
        """Whether it has had an event of one of these kinds since its start."""
        return any(event["event"] in kinds for event in self.events())

    def kill(self) -> None:
        """kill -9, of everything that it started too."""
        self._signal(signal.SIGKILL)
        if self.popen is not None:
            self.popen.wait()

    def terminate(self) -> int | None:
        """SIGTERM. The exit code, or None where it had to be killed."""
        if not self.alive:
            return None
        assert self.popen is not None
        self.popen.terminate()
        try:
            return self.popen.wait(_DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def _signal(self, number: signal.Signals) -> None:
        if self.popen is None:
            return
        try:
            os.killpg(self.popen.pid, number)
        except (ProcessLookupError, PermissionError):
            if self.popen.poll() is None:
                self.popen.send_signal(number)

    @property
    def _events(self) -> Path:
        return self.directory / f"{self.name}.events"


@dataclass
class Fleet:
    """Processes that are started again a second after they ended, as a supervisor does.

    The end of a process that was ready, and that the harness did not cause, is unexpected.
    """

    directory: Path
    processes: list[Process] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    failed_starts: int = 0
    """Processes that ended before they were ready, as one does that finds no broker."""
    _killed: set[int] = field(default_factory=set)
    _restart_at: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, arguments: Sequence[str], *, may_end: bool = False) -> Process:
        """Start a process and keep it running."""
        process = Process(name, arguments, self.directory, may_end)
        process.start()
        self.processes.append(process)
        return process

    def kill(self, process: Process) -> None:
        """kill -9. It is started again."""
        self.expect(process)
        process.kill()

    def expect(self, process: Process) -> None:
        """Take the end of a process that runs now as caused by the harness."""
        if process.popen is not None:
            self._killed.add(process.pid)

    def remove(self, process: Process, *, drain: bool = True) -> int | None:
        """End a process for good."""
        self.processes.remove(process)
        if drain:
            return process.terminate()
        process.kill()
        return None

    def tend(self) -> None:
        """Start again what has ended. To be called often, from the main thread."""
        for process in self.processes:
            if process.alive:
                continue
            now = time.monotonic()
            if process.name not in self._restart_at:
                self._restart_at[process.name] = now + _RESTART_SECONDS
                self._note(process)
            if now >= self._restart_at[process.name]:
                del self._restart_at[process.name]
                process.start()

    def close(self) -> None:
        for process in self.processes:
            process.send(signal.SIGCONT) if process.alive else None
            process.kill()
        self.processes.clear()

    def _note(self, process: Process) -> None:
        assert process.popen is not None
        if process.pid in self._killed:
            return
        if process.may_end or not process.has_event("ready"):
            self.failed_starts += 1
            return
        self.unexpected.append(
            f"{process.name} ended by itself with {process.popen.returncode} after "
            f"{time.monotonic() - process.started:.0f} s: {process.last_line}"
        )
