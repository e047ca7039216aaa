"""A process that is asked to stop has stopped by its deadline, whatever holds it."""

import contextlib
import signal
import subprocess
import sys

import psutil
import pytest

_HOLD_THE_GIL = 're.match(r"(a+)+$", "a" * 64 + "b")'
_STUBBORN = """
import asyncio

async def stubborn():
    while True:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            pass

async def main():
    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    raise RuntimeError("the worker crashed")

with asyncio.Runner() as runner:
    runner.run(main())
"""
_STUCK = {
    "sleeps": "time.sleep(100)",
    "computes": "while True: pass",
    "a thread that does not end": "threading.Thread(target=time.sleep, args=(100,)).start()",
    "a task that cannot be cancelled": _STUBBORN,
    "a finalizer": "atexit.register(time.sleep, 100)",
    "holds the GIL": _HOLD_THE_GIL,
}
_PROGRAM = """
import atexit, re, signal, sys, threading, time
from streams.run.shutdown import ShutdownDeadline, stop_at

deadline = ShutdownDeadline(1, "the test", lambda: print("at last", flush=True))
stop_at([signal.SIGTERM], lambda: None, deadline)
print("running", flush=True)
{body}
"""


def _run(body: str, *arguments: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM.format(body=body), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    return process


@pytest.mark.parametrize("body", _STUCK.values(), ids=_STUCK)
def test_whatever_is_stuck_the_process_ends_and_says_so(body: str) -> None:
    with _run(f"signal.raise_signal(signal.SIGTERM)\n{body}") as process:
        output, errors = process.communicate(timeout=90)
    if body == _HOLD_THE_GIL:  # no Python code can run: the kernel's alarm ends it
        assert process.returncode == -signal.SIGALRM
        return
    assert process.returncode == 1
    assert output == "at last\n"
    assert "the test did not stop within 1 s and was ended" in errors


_TRAINING = """
import os, pathlib
from models.judging.criterion import Criterion
from models.training.launch import TrainingLauncher

class Stuck(TrainingLauncher):
    def _command(self):
        run = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1); time.sleep(100)"
        return [sys.executable, "-c", run]

directory = pathlib.Path(sys.argv[1])
launcher = Stuck(
    directory, threads=1, max_tokens=1, criterion=Criterion(), on_event=print
)
def at_last():
    print(launcher._process.pid, flush=True)
    launcher.kill()
    launcher._process.wait()
deadline = ShutdownDeadline(1, "the test", at_last)
stop_at([signal.SIGTERM], launcher.stop, deadline)
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
launcher.train(directory, directory, [])
"""


def test_a_training_run_that_does_not_stop_is_killed(tmp_path) -> None:
    with _run(_TRAINING, str(tmp_path)) as process:
        output, _ = process.communicate(timeout=90)
    with contextlib.suppress(psutil.NoSuchProcess):  # else init has still to collect it
        assert psutil.Process(int(output)).status() == psutil.STATUS_ZOMBIE


def test_the_second_signal_ends_it_at_once() -> None:
    with _run("while True: time.sleep(0.01)") as process:
        process.terminate()
        while process.poll() is None:
            process.terminate()
        assert process.returncode in (130, 1)


def test_before_the_signal_there_is_no_deadline() -> None:
    with _run("time.sleep(1.5); print('done')") as process:
        output, _ = process.communicate(timeout=90)
    assert (process.returncode, output) == (0, "done\n")
