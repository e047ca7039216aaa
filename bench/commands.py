"""Times commands as a shell starts them: ``--help``, and ``status`` on a stream that runs.

    python -m bench.commands              # starts a stream on a temporary directory
    python -m bench.commands --runs 15 --json commands.json

Each run is a process of its own. The commands alternate, so that the load of the machine falls on
both; CPU seconds hardly depend on it. The stream has worked off its documents before the first run.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.report import Row, machine, publish
from streams.kafka.embedded.running import running_address
from streams.observe.lag import FlowReader
from streams.settings import load

_COMMAND = (sys.executable, "-m", "streams")
_TARGETS = {"--help": 0.5, "status": 1.5}
"""Seconds of the median."""
_POLL_SECONDS = 0.5
_START_SECONDS = 180.0
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
        commands = {"--help": ["--help"], "status": ["status", "--state-dir", str(state)]}
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        cpu: dict[str, list[float]] = {name: [] for name in commands}
        with _stream(state, options.documents):
            for _ in range(options.runs):
                for name, arguments in commands.items():
                    taken, computed = _timed(arguments)
                    seconds[name].append(taken)
                    cpu[name].append(computed)
    rows = [
        Row("seconds by the clock", name, each, at_most=_TARGETS[name])
        for name, each in seconds.items()
    ]
    rows += [Row("CPU seconds", name, each) for name, each in cpu.items()]
    publish(at_start, options.runs, rows, options.json)


def _timed(arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds by the clock, and CPU seconds."""
    before, began = os.times(), time.perf_counter()
    subprocess.run([*_COMMAND, *arguments], check=True, capture_output=True)
    taken, after = time.perf_counter() - began, os.times()
    user = after.children_user - before.children_user
    return taken, user + after.children_system - before.children_system


@contextmanager
def _stream(state: Path, documents: Path) -> Iterator[None]:
    """A stream without a trainer that has processed the documents and waits for more."""
    log = state.parent / "up.log"
    with log.open("wb") as output:
        up = subprocess.Popen(
            [*_COMMAND, "up", "--no-training", "--state-dir", str(state)],
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            _wait_until_idle(state, documents, log)
            yield
        finally:
            os.killpg(up.pid, signal.SIGINT)
            try:
                up.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(up.pid, signal.SIGKILL)


def _wait_until_idle(state: Path, documents: Path, log: Path) -> None:
    """Raises TimeoutError where it takes too long."""
    end = time.monotonic() + _START_SECONDS
    settings = load(flags={"state_dir": state})
    while (address := running_address(settings.broker_dir)) is None:
        _pause(end, log)
    fed = [*_COMMAND, "feed", str(documents), "--broker", address, "--include", "*.md"]
    subprocess.run(fed, check=False, capture_output=True)
    with FlowReader(settings.with_broker(address).kafka.cluster()) as reader:
        while not (flow := reader.read()).idle or not flow.messages.get("segments"):
            _pause(end, log)


def _pause(end: float, log: Path) -> None:
    if time.monotonic() > end:
        raise TimeoutError(f"the stream is not idle: {log.read_text(errors='replace')[-2000:]}")
    time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    main()
