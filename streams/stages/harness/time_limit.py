"""One time limit for many attempts, with one timer for all of them."""

import asyncio
from types import TracebackType


class TimeLimit:
    """How long an attempt may take. ``with limit.attempt():`` raises TimeoutError after that.

    ``asyncio.timeout`` sets a timer for each block and cancels it, which is a tenth of the CPU time
    of a record. Here attempts have the same limit, so they reach it in the order of their
    beginnings, and a timer is set for the first of them only.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._open: dict[_Attempt, None] = {}  # in the order of their beginnings
        self._timer: asyncio.TimerHandle | None = None

    def attempt(self) -> "_Attempt":
        """A context manager for one attempt, in a task."""
        return _Attempt(self)

    def begin(self, attempt: "_Attempt") -> None:
        """Note the beginning of an attempt."""
        loop = asyncio.get_running_loop()
        attempt.deadline = loop.time() + self._seconds
        self._open[attempt] = None
        if self._timer is None:
            self._timer = loop.call_at(attempt.deadline, self._expire)

    def end(self, attempt: "_Attempt") -> None:
        """Note the end of an attempt."""
        self._open.pop(attempt, None)

    def _expire(self) -> None:
        """Cancel what is too late, and wait for the next one."""
        loop = asyncio.get_running_loop()
        self._timer = None
        for attempt in tuple(self._open):
            if attempt.deadline > loop.time():
                self._timer = loop.call_at(attempt.deadline, self._expire)
                return
            del self._open[attempt]
            attempt.expire()


class _Attempt:
    """See ``TimeLimit``. Cancellation is told apart as by ``asyncio.Timeout``."""

    __slots__ = ("_cancelling", "_expired", "_limit", "_task", "deadline")

    def __init__(self, limit: TimeLimit) -> None:
        self.deadline = 0.0
        """By the clock of the event loop."""
        self._limit = limit
        self._expired = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        self._limit.begin(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._limit.end(self)
        if self._expired:
            others = self._task.uncancel() > self._cancelling
            if kind is asyncio.CancelledError and not others:
                raise TimeoutError from error

    def expire(self) -> None:
        """Cancel the task."""
        self._expired = True
        self._task.cancel()
