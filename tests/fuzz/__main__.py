"""``python -m tests.fuzz``: a number of inputs on all targets, or on some."""

import argparse
import base64
import os
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.campaign import Finding, Job, Running, run_job, wait_for
from tests.fuzz.targets import TARGETS

_JOB = 5_000
"""Inputs of one process."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "--inputs", type=int, default=1_000_000, help="in all; default: %(default)s"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of each target's first input")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, help="start no more after this time")
    options = parser.parse_args()

    started = time.monotonic()
    counts = _counts(options.inputs, options.targets)
    jobs = [
        Job(name, TARGETS[name], options.seed, start, min(start + _JOB, options.first + count))
        for name, count in counts.items()
        for start in range(options.first, options.first + count, _JOB)
    ]
    jobs.sort(key=lambda job: job.start)  # all targets have their turn, however soon it ends
    done: Counter[str] = Counter()
    findings: dict[tuple[str, str], Finding] = {}
    running: list[Running] = []
    while jobs or running:
        late = options.seconds is not None and time.monotonic() - started > options.seconds
        while jobs and len(running) < options.processes and not late:
            running.append(run_job(jobs.pop(0)))
        if late and not running:
            break
        for ended in wait_for(running):
            done[ended.job.target] += ended.inputs
            for finding in ended.findings:
                if findings.setdefault((finding.target, finding.failure.kind), finding) is finding:
                    _show(finding)
            seconds = time.monotonic() - started
            print(
                f"{done.total():>9,} inputs, {seconds:,.0f} s, {len(findings)} failures", flush=True
            )
    for name in options.targets:
        print(f"{name:<14}{done[name]:>9,}")
    print(f"{'all':<14}{done.total():>9,} inputs of seed {options.seed}, {len(findings)} failures")
    return bool(findings)


def _counts(inputs: int, names: list[str]) -> dict[str, int]:
    """Number of inputs of each target, in proportion to its share."""
    shares = {}
    for name in names:
        with TemporaryDirectory() as directory:
            shares[name] = TARGETS[name](Path(directory)).share
    total = sum(shares.values())
    return {name: -(-inputs * share // total) for name, share in shares.items()}


def _show(finding: Finding) -> None:
    print(
        f"\n{finding.target}, input {finding.number} of seed {finding.seed}:", finding.failure.kind
    )
    print(finding.failure.detail.rstrip())
    for part in finding.parts:
        if part is None:
            print("  None")
            continue
        text = base64.b64encode(part).decode()
        print(f"  {len(part):,} bytes: {part[:120]!r}")
        print(f"    base64 {text if len(text) < 2_000 else text[:2_000] + '...'}")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
