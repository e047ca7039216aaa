"""Compares the generation engine with its peers: ``make bench-engine``.

Or ``python -m bench.engine [SECTION ...]``. All engines have the same weights and the same prompts,
those of the stream over real passages. Each has a process of its own with all cores. They run one
at a time, in alternating rounds, and the medians are compared.

The sections ``house``, ``random`` and ``smollm2`` are models: the house model, a Qwen3 of 38
million random weights, and SmolLM2-135M-Instruct. The section ``growth`` is our engine by the
number of requests.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench import workload
from bench.contestants import AGAIN, CONTESTANTS, READY, REMARK, Passage, write_and_rate
from bench.report import Row, machine, publish
from models.engine import Engine, EngineLimits
from models.sampling import Sampling

_PROJECT = Path(__file__).parents[1]
_PEERS_PYTHON = _PROJECT / ".venv-peers" / "bin" / "python"
_IN_PEERS_ENVIRONMENT = ("OpenVINO GenAI int8", "llama.cpp Q8_0")
"""Engines whose libraries are not in the project's environment."""
_TARGETS = (
    ("backstream fp32", "transformers fp32", 1.2),
    ("backstream fp32", "optimum fp32", 8.0),
    ("backstream int8", "OpenVINO GenAI int8", 1.2),
    ("backstream int8", "llama.cpp Q8_0", 1.2),
    ("backstream int8", "backstream fp32", 1.8),
    ("backstream int8", "optimum fp32", 8.0),
)
"""Ours, another, and how many times as fast ours should be.

The last is the default beside the plain export, which it replaced.
"""
_PREFIX_CACHES = (
    "backstream fp32",
    "backstream int8",
    "OpenVINO GenAI int8",
    "llama.cpp Q8_0",
)
"""Engines that keep the prefixes of earlier prompts."""
_IN_FLIGHT = (1, 4, 16, 64)
_FEWER = {"house": 1, "random": 3, "smollm2": 10}
"""Divides the work of a model, so that the slowest peer does not need minutes for it."""
_TITLES = {
    "house": "house model",
    "random": "38 M random Qwen3",
    "smollm2": "SmolLM2-135M-Instruct",
}
_SECTIONS = (*_TITLES, "growth")
_QUEUED = (1, 250, 500, 1000)


@dataclass
class Contest:
    """One model, one workload, and a process for each engine."""

    model: Path
    work: Path
    threads: int
    _processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def enter(self, name: str) -> bool:
        """Start an engine and run the workload once. Returns whether that succeeded."""
        python = str(_PEERS_PYTHON) if name in _IN_PEERS_ENVIRONMENT else sys.executable
        command = [
            python,
            str(_PROJECT / "bench" / "contestants.py"),
            name,
            str(self.model),
            str(self.work),
            str(self.threads),
        ]
        environment = {**os.environ, "PYTHONPATH": str(_PROJECT)}
        log = self.work.with_name(f"{name}.log")  # a pipe that nobody reads would fill
        with log.open("w") as stderr:
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self._processes[name] = process
        assert process.stdout
        ready = process.stdout.readline().strip() == READY
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        for line in lines:
            if line.startswith(REMARK):
                _note(f"{name} {line.removeprefix(REMARK)}")
        if ready:
            return True
        process.wait()
        del self._processes[name]
        _note(f"{name} cannot run on this machine: {' '.join(lines[-1:])}")
        return False

    def seconds(self, name: str, *, again: bool = False) -> float:
        """Run the workload once more on an engine. Returns the seconds.

        ``again``: with the same prompts as before, which prefix caches then have.
        """
        process = self._processes[name]
        assert process.stdin
        assert process.stdout
        process.stdin.write(f"{AGAIN if again else 'new'}\n")
        process.stdin.flush()
        return float(process.stdout.readline())

    def close(self) -> None:
        """Stop the engines' processes."""
        for process in self._processes.values():
            assert process.stdin
            process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def measure_peers(
    model: Path, what: str, passages: int, options: argparse.Namespace, scratch: Path
) -> Iterator[Row]:
    """Passages a second of each engine, generated and rated, and ratios of ours to the others.

    In each round the engines with a prefix cache then do the same work again.
    """
    work = scratch / "work.json"
    made = workload.write_work(model, work, passages)
    read, written = workload.tokens(made)
    title = f"{what}: {len(made)} passages, {read:,} prompt tokens, {written:,} new ones"
    contest = Contest(model, work, options.threads)
    seconds: dict[str, list[float]] = {}
    cached: dict[str, list[float]] = {}
    try:
        for name in options.engines:
            if contest.enter(name):
                seconds[name] = []
        for number in range(1, options.rounds + 1):
            for name, found in seconds.items():
                found.append(contest.seconds(name))
                _note(f"{what}, round {number}: {name}: {len(made) / found[-1]:.2f} passages/s")
            for name in seconds.keys() & _PREFIX_CACHES:
                cached.setdefault(name, []).append(contest.seconds(name, again=True))
    finally:
        contest.close()
    yield from _compared(title, what, len(made), seconds)
    yield from _compared(f"{title}, cached", f"{what}, cached", len(made), cached)


def _compared(
    title: str, what: str, passages: int, seconds: dict[str, list[float]]
) -> Iterator[Row]:
    for name, found in seconds.items():
        yield Row(f"{title}; passages/s", name, [passages / each for each in found])
    for ours, other, target in _TARGETS:
        if ours in seconds and other in seconds:
            ratios = [
                theirs / own for theirs, own in zip(seconds[other], seconds[ours], strict=True)
            ]
            yield Row(
                f"{what}: how many times as fast", f"{ours} / {other}", ratios, at_least=target
            )


def measure_growth(model: Path, options: argparse.Namespace, scratch: Path) -> Iterator[Row]:
    """Throughput by requests in flight and memory by requests queued, of our engine in int8."""
    made = workload.write_work(model, scratch / "work.json", options.passages)
    digits = json.loads((model / "digits.json").read_text())
    rates: dict[int, list[float]] = {count: [] for count in _IN_FLIGHT}
    for _ in range(options.rounds):
        for count in _IN_FLIGHT:
            rates[count].append(asyncio.run(_rate(model, made, count, digits, options.threads)))
    for count, found in rates.items():
        yield Row("house model, int8: passages/s by requests in flight", str(count), found)
    for count in _QUEUED:
        grown = asyncio.run(_queue_memory(model, made, count, options.threads))
        yield Row("house model, int8: MB more by requests queued", str(count), [grown])


async def _rate(
    model: Path, work: Sequence[Passage], in_flight: int, digits: Sequence[int], threads: int
) -> float:
    engine = Engine.load(model / "backstream", device="cpu", threads=threads, precision="int8")
    try:
        await write_and_rate(engine, work[:1], digits, 1)
        started = time.perf_counter()
        await write_and_rate(engine, work, digits, in_flight)
        return len(work) / (time.perf_counter() - started)
    finally:
        engine.close()


async def _queue_memory(model: Path, work: Sequence[Passage], count: int, threads: int) -> float:
    """MB by which the process grows when ``count`` requests are held, KV slots included."""
    before = psutil.Process().memory_info().rss
    limits = EngineLimits(requests=count)
    engine = Engine.load(
        model / "backstream", device="cpu", threads=threads, precision="int8", limits=limits
    )
    most = before
    requests = [
        asyncio.create_task(engine.generate(work[n % len(work)].prompt, Sampling(max_tokens=4), ()))
        for n in range(count)
    ]
    try:
        while not all(request.done() for request in requests):
            await asyncio.sleep(0.02)
            most = max(most, psutil.Process().memory_info().rss)
    finally:
        engine.close()
    return (most - before) / 1e6


def plot(rows: Sequence[Row], file: Path) -> None:
    """Plot throughput and memory side by side."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
    for axes, what, title, unit in (
        (left, "in flight", "throughput", "passages/s"),
        (right, "queued", "memory", "MB above the process before"),
    ):
        chosen = [row for row in rows if what in row.section]
        axes.plot([int(row.label) for row in chosen], [row.median for row in chosen], marker="o")
        axes.set_xlabel(f"requests {what}")
        axes.set_ylabel(unit)
        axes.set_ylim(bottom=0)
        axes.set_title(title)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})


def main() -> int:
    """Measure and print. Returns the exit code."""
    options = _parse()
    found = machine()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="backstream-bench-") as directory:
        scratch = Path(directory)
        models = {
            "house": workload.write_house,
            "random": workload.write_larger,
            "smollm2": workload.write_smollm2,
        }
        for section, write in models.items():
            if section in options.sections:
                rows += measure_peers(
                    write(scratch / section),
                    _TITLES[section],
                    max(1, options.passages // _FEWER[section]),
                    options,
                    scratch,
                )
        if "growth" in options.sections:
            house = scratch / "house"
            grown = list(
                measure_growth(
                    house if house.is_dir() else workload.write_house(house), options, scratch
                )
            )
            rows += grown
            if options.plot:
                plot(grown, options.plot)
    publish(found, options.rounds, rows, options.output)
    return 0


def _parse() -> Any:
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument(
        "sections",
        nargs="*",
        choices=[*_SECTIONS, []],
        metavar="SECTION",
        help=f"{', '.join(_SECTIONS)}; all if none",
    )
    parser.add_argument(
        "--engines",
        nargs="+",
        choices=list(CONTESTANTS),
        default=list(CONTESTANTS),
        metavar="ENGINE",
        help=f"which to compare: {', '.join(CONTESTANTS)}; all if none",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--passages", type=int, default=120, help="of the house model (default: %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--plot", type=Path, help="write the plots of growth to this SVG file")
    parser.add_argument("--output", type=Path, help="write the metrics to this file, as JSON")
    options = parser.parse_args()
    options.sections = options.sections or _SECTIONS
    return options


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
