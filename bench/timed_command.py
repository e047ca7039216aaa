"""Runs a ``backstream`` command in a process of its own, and reads what it took."""

import json
import subprocess
import sys
from typing import NamedTuple

_TIMED = """
import json, resource, sys, time
from streams.cli.main import app
began = time.monotonic()
app(standalone_mode=False)
used = resource.getrusage(resource.RUSAGE_SELF)
cpu = used.ru_utime + used.ru_stime
print(json.dumps([time.monotonic() - began, cpu, used.ru_maxrss / 1024]))
"""


class Taken(NamedTuple):
    """What a command took, and what it printed before its end."""

    seconds: float
    cpu: float
    """Seconds."""
    memory: float
    """Most resident memory, in MiB."""
    printed: list[str]
    """Lines of its standard output."""


def timed_command(*arguments: str) -> Taken:
    """Run a command. Raises CalledProcessError where it fails."""
    command = [sys.executable, "-c", _TIMED, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    *printed, last = done.stdout.splitlines()
    seconds, cpu, memory = json.loads(last)
    return Taken(seconds, cpu, memory, printed)
