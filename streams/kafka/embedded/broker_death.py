"""Why an embedded broker ended by itself, from its exit status, its log and its disk."""

import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FULL_BYTES = 4 * 1024 * 1024
"""With less free space Kafka cannot write, not even the reason to its log."""
_READ_BYTES = 4 * 1024 * 1024
"""Of the end of the log."""
_LAST_ERRORS = 20
"""Earlier ones were survived."""
_LINE_CHARACTERS = 300
_ERROR = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?:ERROR|FATAL) ")
_LOGGED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ ")
_EXCEPTION = re.compile(r"(?:Caused by: |Exception in thread \S+ )?[\w.$]+(?:Exception|Error)\b")

_DISK = "free some space on its disk, and start again"
_CAUSES = (
    (r"No space left on device|Disk quota exceeded", "the disk is full", _DISK, False),
    (
        r"java\.lang\.OutOfMemoryError",
        "Java ran out of memory",
        "see the log for what filled it",
        True,
    ),
    (
        r"Address already in use|java\.net\.BindException",
        "another process listens on its port",
        "choose another --port, or leave it out for a free one",
        False,
    ),
    (
        r"AccessDeniedException|Permission denied|Operation not permitted",
        "it may not use one of its files",
        "check the owner and the modes of the files",
        False,
    ),
    (
        r"Read-only file system",
        "the file system is read-only",
        "choose another --state-dir",
        False,
    ),
    (r"Too many open files", "it has too many open files", "raise `ulimit -n`", False),
    (
        r"Failed to acquire lock on file",
        "another Kafka uses its data",
        "end that process",
        False,
    ),
    (
        r"Corrupt|InvalidRecord|Inconsistent\w*Exception|NoSuchFileException"
        r"|meta\.properties|node ID not found",
        "its data are damaged",
        "restore the directory from a copy, or move it away to start with empty topics",
        False,
    ),
)
"""What to look for in an error, what it means, what to do, and whether it may pass by itself."""


@dataclass(frozen=True, slots=True)
class Death:
    """Why a broker ended."""

    reason: str
    """What happened and what to do, for the user."""
    passing: bool
    """Whether the cause may pass by itself."""


def death(code: int | None, log: Path, since: int) -> Death:
    """Explain the end of the process that wrote to ``log`` from its byte ``since`` on.

    ``code`` is its exit status as subprocess gives it: negative for a signal.
    """
    if (number := _sent(code)) is not None:
        name = signal.Signals(number).name
        hint = ", sent by kill -9 or, where memory is short, by the kernel (see `dmesg`)"
        return Death(f"{name}{hint if number == signal.SIGKILL else ''}", True)
    errors = _logged_errors(log, since)
    for pattern, meaning, advice, passing in _CAUSES:
        if error := next((error for error in reversed(errors) if re.search(pattern, error)), None):
            return Death(f"{meaning}: {advice} ({log}: {_one_line(error)})", passing)
    free = shutil.disk_usage(log.parent).free
    if free < _FULL_BYTES:
        return Death(f"the disk is full: {log.parent} has {free / 1e6:.1f} MB free; {_DISK}", False)
    shown = f": {_one_line(errors[-1])}" if errors else ", and the log names no error"
    return Death(f"exit status {code}{shown} (see {log})", True)


def _sent(code: int | None) -> int | None:
    """The signal from outside that ended the process. None where it ended by itself.

    Java handles some signals, and exits with 128 and their number.
    """
    if code is None:
        return None
    number = -code if code < 0 else code - 128
    sent = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    return number if number in sent else None


def _logged_errors(log: Path, since: int) -> list[str]:
    """The errors in the log, oldest first, each with its exceptions on lines of their own."""
    try:
        with log.open("rb") as file:
            file.seek(max(since, log.stat().st_size - _READ_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return ["\n".join(lines) for lines in _errors(text.splitlines())][-_LAST_ERRORS:]


def _errors(lines: list[str]) -> Iterator[list[str]]:
    error: list[str] = []
    for line in lines:
        if _LOGGED.match(line):
            if error:
                yield error
            error = [line] if _ERROR.match(line) else []
        elif _EXCEPTION.match(line):  # of the error above, or of Java itself
            error.append(line)
    if error:
        yield error


def _one_line(error: str) -> str:
    """The first line of an error without its time, and its last exception: the first cause."""
    first, *exceptions = error.splitlines()
    parts = [_ERROR.sub("", first), *exceptions[-1:]]
    return "; ".join(part.strip()[:_LINE_CHARACTERS] for part in parts)
