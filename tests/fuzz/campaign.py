"""Many inputs on a target, in a process of its own: what hangs or crashes is found from outside."""

import logging
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from models.child_process import end_with_parent
from tests.fuzz.attempt import Failure, attempt, minimised
from tests.fuzz.target import Parts, Target, input_of

_MORE_MEMORY = 4 << 30
"""Bytes of address space that imports and inputs may add to the process."""
_POLL_SECONDS = 0.2
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.fuzz.targets"])


@dataclass(frozen=True, slots=True)
class Finding:
    """A failure, and the input that shows it."""

    target: str
    seed: int
    number: int
    failure: Failure
    parts: Parts


@dataclass(slots=True)
class Job:
    """Inputs of one target: those with the numbers from ``start`` up to ``stop``."""

    target: str
    make: Callable[[Path], Target]
    seed: int
    start: int
    stop: int
    most_seconds: float = 60.0
    """CPU time after which an input is given up."""


@dataclass(slots=True)
class Running:
    """A job and the process that does it."""

    job: Job
    process: Any
    results: Connection
    place: Any
    """Number of the input that is being checked; less than the first one before that."""
    seen: tuple[int, float] = (-1, 0.0)
    """That number when it last changed, and the process's CPU time then."""
    hung: bool = False
    inputs: int = 0
    """Number of inputs, of processes that ended before included."""
    findings: list[Finding] = field(default_factory=list)


def run_job(job: Job) -> Running:
    """Start a process for a job."""
    results, sending = _context.Pipe(duplex=False)
    place = _context.Value("q", job.start - 1)
    process = _context.Process(target=_work, args=(job, sending, place), daemon=True)
    process.start()
    sending.close()
    return Running(job, process, results, place, inputs=job.stop - job.start)


def wait_for(running: list[Running]) -> Iterator[Running]:
    """Wait until at least one job has ended, and yield those that have.

    A job whose process crashed or hung has that as a finding, and continues after the input in a
    new process.
    """
    ended = False
    while not ended:
        time.sleep(_POLL_SECONDS)
        for each in list(running):
            _receive(each)
            if each.process.is_alive() and not _hangs(each):
                continue
            each.process.join()
            _receive(each)
            number = max(each.place.value, each.job.start)
            if number >= each.job.stop:
                ended = True
                running.remove(each)
                yield each
                continue
            again = run_job(replace(each.job, start=number + 1))
            again.findings = [*each.findings, _ended(each, number)]
            again.inputs = each.inputs
            running[running.index(each)] = again


def _ended(running: Running, number: int) -> Finding:
    """The finding of a process that ended at an input."""
    job, status = running.job, running.process.exitcode
    with tempfile.TemporaryDirectory() as directory:
        parts = input_of(job.target, job.make(Path(directory)), job.seed, number)
    failure = Failure("hang" if running.hung else f"exit status {status}", "the process ended")
    return Finding(job.target, job.seed, number, failure, parts)


def _receive(running: Running) -> None:
    try:
        while running.results.poll():
            running.findings.append(running.results.recv())
    except (EOFError, OSError):
        return


def _hangs(running: Running) -> bool:
    number = running.place.value
    try:
        times = psutil.Process(running.process.pid).cpu_times()
    except psutil.Error:
        return False
    used = times.user + times.system
    if number < running.job.start or number != running.seen[0]:  # it imports, or went on
        running.seen = (number, used)
    elif used - running.seen[1] > running.job.most_seconds:
        running.hung = True
        running.process.kill()
        return True
    return False


def _work(job: Job, results: Connection, place: Any) -> None:
    end_with_parent()
    logging.disable(logging.WARNING)  # readers pass over nearly every input, and say so
    with tempfile.TemporaryDirectory() as directory:
        target = job.make(Path(directory))
        known: set[str] = set()
        used = psutil.Process().memory_info().vms
        resource.setrlimit(resource.RLIMIT_AS, (used + _MORE_MEMORY, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in range(job.start, job.stop):
            place.value = number
            parts = input_of(job.target, target, job.seed, number)
            failure = attempt(target, parts)
            if failure is not None and failure.kind not in known:
                known.add(failure.kind)
                small = minimised(target, parts, failure)
                results.send(Finding(job.target, job.seed, number, failure, small))
        place.value = job.stop
    results.close()
