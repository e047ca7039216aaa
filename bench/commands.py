"""Times commands as a shell starts them: ``--help``, and ``status`` on a stream that runs.

Beside them: Python that imports the libraries of ``status`` and does nothing, the least that it
could take on this machine.

    python -m bench.commands              # starts a stream on a temporary directory
    python -m bench.commands --runs 15 --json commands.json

Each run is a process of its own, with compiled modules, as an installed command has them. The
commands alternate, so that the load of the machine falls on both. First they run while the stream
has passages to work off and uses every core, then when it has nothing to do.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.report import Row, machine, publish
from streams.kafka.embedded.running import running_address
from streams.observe.lag import Flow, FlowReader
from streams.settings import load

_COMMAND = (sys.executable, "-m", "streams")
_LIBRARIES = (sys.executable, "-c", "import aiokafka, kafka, pydantic_settings, typer")
_LIBRARIES_ALONE = "libraries of status, imported"
_TARGETS = {"--help": 0.5, "status": 1.5, _LIBRARIES_ALONE: None}
"""Seconds of the median."""
_POLL_SECONDS = 0.5
_START_SECONDS = 180.0
_WORK_SECONDS = 1200.0
_STOP_SECONDS = 60.0


def main() -> None:
    """Run the bench and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="runs of each command (default: 7)")
    parser.add_argument(
        "--documents", type=Path, default=Path("docs"), help="what the stream is fed"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    at_start = machine()
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory, "state")
        commands = {
            "--help": [*_COMMAND, "--help"],
            "status": [*_COMMAND, "status", "--state-dir", str(state)],
            _LIBRARIES_ALONE: _LIBRARIES,
        }
        rows: list[Row] = []
        with _Stream(state) as stream:
            stream.feed(options.documents)
            rows += _measured(commands, options.runs, "a stream at work")
            if stream.idle:
                raise TimeoutError("the stream was done before the runs were: feed more documents")
            stream.wait_until_idle()
            rows += _measured(commands, options.runs, "an idle stream")
    publish(at_start, options.runs, rows, options.json)


def _measured(commands: Mapping[str, Sequence[str]], runs: int, beside: str) -> list[Row]:
    """Rows of each command, run beside a stream in this state."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    cpu: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            taken, computed = _timed(command)
            seconds[name].append(taken)
            cpu[name].append(computed)
    return [
        *(
            Row(f"seconds by the clock, {beside}", name, each, at_most=_TARGETS[name])
            for name, each in seconds.items()
        ),
        *(Row(f"CPU seconds, {beside}", name, each) for name, each in cpu.items()),
    ]


def _timed(command: Sequence[str]) -> tuple[float, float]:
    """Seconds by the clock, and CPU seconds."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=_environment())
    taken, after = time.perf_counter() - began, os.times()
    user = after.children_user - before.children_user
    return taken, user + after.children_system - before.children_system


def _environment() -> dict[str, str]:
    """The environment, but compiled modules are kept: the first run of a command writes them."""
    unwanted = "PYTHONDONTWRITEBYTECODE"
    return {name: value for name, value in os.environ.items() if name != unwanted}


class _Stream:
    """A stream without a trainer, with the house model. Use as a context manager."""

    def __init__(self, state: Path) -> None:
        self._state, self._log = state, state.parent / "up.log"

    def __enter__(self) -> "_Stream":
        with self._log.open("wb") as output:
            self._up = subprocess.Popen(
                [*_COMMAND, "up", "--no-training", "--state-dir", str(self._state)],
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._up.pid, signal.SIGINT)
        try:
            self._up.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._up.pid, signal.SIGKILL)

    def feed(self, documents: Path) -> None:
        """Feed documents, and return when a passage of them has been rated."""
        end = time.monotonic() + _START_SECONDS
        settings = load(flags={"state_dir": self._state})
        while (address := running_address(settings.broker_dir)) is None:
            self._pause(end)
        self._cluster = settings.with_broker(address).kafka.cluster()
        fed = [*_COMMAND, "feed", str(documents), "--broker", address, "--include", "*.md"]
        subprocess.run(fed, check=False, capture_output=True)
        while not self._flow().messages.get("scored"):
            self._pause(end)

    @property
    def idle(self) -> bool:
        """Whether everything that was fed has been processed."""
        return self._flow().idle

    def wait_until_idle(self) -> None:
        """Raises TimeoutError where it takes too long."""
        end = time.monotonic() + _WORK_SECONDS
        while not self.idle:
            self._pause(end)

    def _flow(self) -> Flow:
        with FlowReader(self._cluster) as reader:
            return reader.read()

    def _pause(self, end: float) -> None:
        if time.monotonic() > end:
            log = self._log.read_text(errors="replace")[-2000:]
            raise TimeoutError(f"the stream is not ready: {log}")
        time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    main()
