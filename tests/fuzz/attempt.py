"""One input on one target: what is a failure, and the smallest input that still shows it."""

import gc
import time
import traceback
from dataclasses import dataclass

from tests.fuzz.target import Parts, Target

LIMIT_SECONDS = 1.0
"""CPU time of an input, of at most ``LARGEST`` bytes."""
_TRIALS = 2_000
_MINIMISING_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Failure:
    """What an input did that its target does not document."""

    kind: str
    """Failures of the same kind have the same cause: the exception, and where it was raised."""
    detail: str


def attempt(target: Target, parts: Parts) -> Failure | None:
    """Check one input. Everything that the target raises is a failure, and so is a long time."""
    started = time.process_time()
    try:
        target.check(parts)
    except BaseException as error:  # SystemExit from a library is a failure, too
        if isinstance(error, KeyboardInterrupt):
            raise
        return Failure(_kind(error), "".join(traceback.format_exception(error, limit=-12)))
    seconds = time.process_time() - started
    if seconds <= LIMIT_SECONDS:
        return None
    seconds = min(seconds, *(_seconds(target, parts) for _ in range(2)))
    return Failure("slow", f"{seconds:.1f} s of CPU time") if seconds > LIMIT_SECONDS else None


def minimised(target: Target, parts: Parts, failure: Failure) -> Parts:
    """A smaller input with a failure of the same kind, found by leaving pieces out."""
    deadline = time.monotonic() + _MINIMISING_SECONDS
    trials = 0

    def fails(candidate: Parts) -> bool:
        nonlocal trials
        trials += 1
        found = attempt(target, candidate)
        return found is not None and found.kind == failure.kind

    for index in range(len(parts)):
        part = parts[index]
        if part is None:
            continue
        step = len(part)
        while step and trials < _TRIALS and time.monotonic() < deadline:
            at = 0
            while at < len(part) and trials < _TRIALS and time.monotonic() < deadline:
                shorter = part[:at] + part[at + step :]
                candidate = (*parts[:index], shorter, *parts[index + 1 :])
                if fails(candidate):
                    parts, part = candidate, shorter
                else:
                    at += step
            step //= 2
    return parts


def _seconds(target: Target, parts: Parts) -> float:
    gc.collect()
    started = time.process_time()
    target.check(parts)
    return time.process_time() - started


def _kind(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/site-packages/" not in frame.filename]
    frame = (ours or frames)[-1]
    where = "/".join(frame.filename.rsplit("/", 3)[-3:])
    text = str(error).split("\n")[0] if isinstance(error, AssertionError) else ""
    return f"{type(error).__name__} {text} in {where}:{frame.name}"
