"""A newer version of Backstream: its sources with a few changes, run by the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streams.settings import Settings
from tests.integration.waiting import wait_until

ROOT = Path(__file__).parents[2]
Changes = Mapping[str, Sequence[tuple[str, str]]]
"""File of ``schemas`` to pairs of a text that occurs once in it and what replaces it."""


def newer_version(directory: Path, changes: Changes) -> Path:
    """Make the source tree of a version with changed schemas."""
    for package in ("models", "agents", "streams", "infra"):
        (directory / package).symlink_to(ROOT / package)
    (directory / "schemas").mkdir()
    for file in (ROOT / "schemas").glob("*.py"):
        source = file.read_text(encoding="utf-8")
        for old, new in changes.get(file.name, ()):
            assert source.count(old) == 1, f"{file.name}: {old!r}"
            source = source.replace(old, new)
        (directory / "schemas" / file.name).write_text(source, encoding="utf-8")
    return directory


class Version:
    """Runs the command line of a source tree with the settings of a test."""

    def __init__(self, tree: Path, settings: Settings) -> None:
        self._tree = tree
        self._options = ("--broker", settings.kafka.bootstrap_servers)
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(tree),
            "BACKSTREAM_STATE_DIR": str(settings.state_dir),
            "BACKSTREAM_THREADS": "1",
            "BACKSTREAM_CURATION__THRESHOLD": "1",
            "BACKSTREAM_KAFKA__SESSION_SECONDS": "6",
        }

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """A worker that is ready. It is killed at the end, where it is not stopped before."""
        output = self._tree / "worker.log"
        with output.open("wb") as log:
            process = subprocess.Popen(
                self._command("worker"),
                stdout=log,
                stderr=log,
                cwd=self._tree,
                env=self._environment,
            )
        try:

            def is_ready() -> bool:
                assert process.poll() is None, output.read_text()
                return '"event": "ready"' in output.read_text()

            wait_until(is_ready, 540)
            yield process
        finally:
            process.kill()
            process.wait()

    def json(self, *command: str) -> Any:
        """What a command prints with ``--json``."""
        return json.loads(self.run(*command, "--json"))

    def run(self, *command: str) -> str:
        """What a command prints. It may end with a status that reports something."""
        return subprocess.run(
            self._command(*command),
            cwd=self._tree,
            env=self._environment,
            stdout=subprocess.PIPE,
            timeout=540,
            check=False,
        ).stdout.decode()

    def _command(self, *command: str) -> list[str]:
        return [sys.executable, "-m", "streams", *command, *self._options]


def stop(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM, and wait for the end."""
    process.terminate()
    assert process.wait(270) == 0
