"""Converts PDF files and the like in a child process, with bounds in time and memory.

Their readers take as much of both as a file wants, and some are written in C++. The child is
started with the first file, and again after a file that ended it.
"""

import contextlib
import os
import pickle
import resource
import signal
import struct
import subprocess
import sys
from types import TracebackType
from typing import Any, BinaryIO

from models.child_process import end_with_parent
from schemas.errors import NotConverted
from schemas.formats import Converted, convert

_SECONDS = 120.0
"""CPU time for a file. 0.01 s were seen for a page of PDF."""
_MEMORY = 2 * 1024**3
"""Bytes that the process may allocate."""
_LENGTH = struct.Struct(">Q")
"""Precedes each frame."""


class Converter:
    """A child process that converts files. Use as a context manager."""

    def __init__(self, seconds: float = _SECONDS) -> None:
        """``seconds`` of CPU are given to each file."""
        self._seconds = seconds
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Converter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def convert(self, format: str, data: bytes) -> Converted:
        """Make HTML of a file of one of ``schemas.formats.CONVERTED``. Raises NotConverted."""
        child = self._child = self._child or _start()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            _send(child.stdin, (format, data, self._seconds))
            answer = _receive(child.stdout)
        except OSError:  # it ended while it was written to
            answer = None
        except BaseException:  # its answer would be taken for that of the next file
            self._end()
            raise
        if answer is None:
            status = child.wait()
            self._end()
            raise NotConverted(self._why(status))
        if isinstance(answer, NotConverted):
            raise answer
        assert isinstance(answer, Converted)
        return answer

    def _why(self, status: int) -> str:
        if status == -signal.SIGPROF:
            return f"reading it takes longer than {self._seconds:g} s of CPU: split it"
        return f"the process that read it ended with status {status}: the file may be damaged"

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            with contextlib.suppress(OSError):  # what was not written yet
                self._child.communicate()
            self._child = None


def run() -> None:
    """Convert files until the input ends. The main function of the child."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    while (job := _receive(sys.stdin.buffer)) is not None:
        format, data, seconds = job
        signal.setitimer(signal.ITIMER_PROF, seconds)
        answer = _answer(format, data)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _send(answers, answer)


def _answer(format: str, data: bytes) -> Converted | NotConverted:
    try:
        return convert(format, data)
    except NotConverted as error:
        return error
    except MemoryError:
        return NotConverted(f"reading it takes more than {_MEMORY:,} bytes of memory: split it")
    except Exception as error:
        return NotConverted(f"its reader failed on it ({type(error).__name__}: {error})")


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", f"from {run.__module__} import run; run()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )


def _send(file: BinaryIO | Any, value: object) -> None:
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    file.write(_LENGTH.pack(len(data)))
    file.write(data)
    file.flush()


def _receive(file: BinaryIO | Any) -> Any:
    """The next object. None at the end."""
    head = file.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    size = _LENGTH.unpack(head)[0]
    data = file.read(size)
    return pickle.loads(data) if len(data) == size else None
