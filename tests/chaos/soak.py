"""Half an hour of a slow feed without faults: memory, descriptors, threads and lag of each process.

Run with ``python -m tests.chaos.soak --minutes 30``.
"""

import argparse
import datetime
import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import psutil
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from tests.chaos.report import write_report
from tests.chaos.scene import FaultClass, Scene

_INTERVAL = 5.0
_WARM_UP_MINUTES = 5.0
_PER_SECOND = 2.0
_T_975 = 2.06
"""Of Student's t with some 25 degrees of freedom."""


class Sample(NamedTuple):
    """One process at one moment."""

    minute: float
    resident_mb: float
    descriptors: int
    threads: int


def main() -> int:
    """Run the soak and write its results, its plot and the report."""
    options = _parse()
    samples: dict[str, list[Sample]] = {}
    lag: list[tuple[float, int]] = []

    def run(scene: Scene) -> None:
        [worker], [node] = scene.fleet.processes, scene.cluster.nodes
        assert node.process is not None
        watched = {"worker": worker.pid, "broker": node.process.pid}
        began, fed = time.monotonic(), 0.0
        while (passed := time.monotonic() - began) < options.minutes * 60:
            scene.feed(int(passed * _PER_SECOND - fed))
            fed = int(passed * _PER_SECOND)
            for name, pid in watched.items():
                samples.setdefault(name, []).append(_sample(pid, passed / 60))
            lag.append((passed / 60, scene.watch.last.left))
            if len(lag) % 60 == 1:
                now = ", ".join(
                    f"{n} {every[-1].resident_mb:.0f} MB" for n, every in samples.items()
                )
                print(
                    f"{passed / 60:5.1f} min  {now}, lag {lag[-1][1]}", file=sys.stderr, flush=True
                )
            scene.pause(_INTERVAL)

    fault_class = FaultClass("soak", "a slow feed without faults", run)
    with Scene(fault_class, options.seed, 0, options.work / "run" / "soak") as scene:
        result = scene.play()
    for line in [*result.problems, *result.wrong]:
        print(line, file=sys.stderr)
    lags = [left for _, left in lag]
    found: dict[str, Any] = {
        "minutes": options.minutes,
        "date": datetime.date.today().isoformat(),
        "per_second": _PER_SECOND,
        "interval": _INTERVAL,
        "warm_up": _WARM_UP_MINUTES,
        "fed": result.verdict["fed"],
        "written": result.verdict["ids"]["candidates"],
        "lag_median": int(np.median(lags)),
        "lag_most": max(lags),
        "processes": [_summary(name, every) for name, every in samples.items()],
    }
    (options.work / "soak.json").write_text(json.dumps(found, indent=1) + "\n")
    _plot(samples, lag, options.output.parent / "results" / "soak.svg")
    write_report(options.work, options.output)
    return 0 if result.passed else 1


def _sample(pid: int, minute: float) -> Sample:
    process = psutil.Process(pid)
    with process.oneshot():
        resident = process.memory_info().rss / 2**20
        return Sample(minute, resident, process.num_fds(), process.num_threads())


def _summary(name: str, samples: list[Sample]) -> dict[str, Any]:
    slope, low, high = slope_an_hour(samples)
    after = [sample for sample in samples if sample.minute >= _WARM_UP_MINUTES] or samples
    return {
        "name": name,
        "first_mb": after[0].resident_mb,
        "last_mb": after[-1].resident_mb,
        "slope": slope,
        "interval": [low, high],
        "descriptors": [after[0].descriptors, after[-1].descriptors],
        "threads": [after[0].threads, after[-1].threads],
    }


def slope_an_hour(samples: list[Sample]) -> tuple[float, float, float]:
    """Slope of the resident memory in MB an hour, and the ends of its 95% interval.

    A least-squares line through the means of the minutes after the warm-up.
    """
    minutes: dict[int, list[float]] = {}
    for sample in samples:
        if sample.minute >= _WARM_UP_MINUTES:
            minutes.setdefault(int(sample.minute), []).append(sample.resident_mb)
    if len(minutes) < 3:
        return 0.0, float("-inf"), float("inf")
    hours = np.array(list(minutes)) / 60
    means = np.array([np.mean(values) for values in minutes.values()])
    centred = hours - hours.mean()
    slope = float((centred * means).sum() / (centred**2).sum())
    residuals = means - means.mean() - slope * centred
    error = np.sqrt((residuals**2).sum() / (len(means) - 2) / (centred**2).sum())
    return slope, slope - _T_975 * float(error), slope + _T_975 * float(error)


def _plot(samples: dict[str, list[Sample]], lag: list[tuple[float, int]], file: Path) -> None:
    mpl.rcParams["svg.hashsalt"] = "soak"
    figure = Figure(figsize=(9, 2.8))
    memory, descriptors, left = figure.subplots(1, 3)
    for name, every in samples.items():
        minutes = [sample.minute for sample in every]
        memory.plot(minutes, [sample.resident_mb for sample in every], label=name)
        descriptors.plot(minutes, [sample.descriptors for sample in every], label=name)
    left.plot([minute for minute, _ in lag], [count for _, count in lag], color="C2")
    for axes, title in (
        (memory, "resident memory, MB"),
        (descriptors, "open descriptors"),
        (left, "lag of all stages, messages"),
    ):
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("minutes")
        axes.set_ylim(bottom=0)
    memory.legend(fontsize=8)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--work", type=Path, default=Path("work/chaos"))
    parser.add_argument("--output", type=Path, default=Path("docs/reliability.md"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
