"""A replica: one thread that owns a model's rows and their schedule.

The thread's life is a loop: take in what has arrived, have the core work, answer. A fault of the
model fails what was running and nothing else. After several in a row, or a fault of another kind,
every request of the replica fails and the model is opened anew; where that is not possible, every
later request fails too. Nothing waits for ever.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from models.engine.budget import ThreadBudget
from models.engine.core import Answered, Core, Model
from models.engine.inbox import Inbox
from models.engine.limits import EngineLimits
from models.engine.requests import AnyRequest, Generation
from schemas.errors import EngineError

_CLOSED = "the engine is closed"
_FAILURES = 3
"""Turns that fail one after the other before the model is opened anew."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineStats:
    """What has been done since a model was loaded."""

    requests: int = 0
    """Requests answered."""
    prompt_tokens: int = 0
    """Tokens of their prompts."""
    generated_tokens: int = 0
    """Tokens of their generations."""
    busy_seconds: float = 0.0
    """Time spent at work, that of all replicas together."""
    calls: int = 0
    """Calls of the model."""
    read_tokens: int = 0
    """Prompt tokens that went through the model."""
    reused_tokens: int = 0
    """Prompt tokens whose keys and values were there already, from another request."""


class Replica:
    """Answers requests with one core. ``put`` may be called from any event loop, the rest from any
    thread.
    """

    def __init__(
        self,
        core: Core,
        requests: int = EngineLimits().requests,
        *,
        reopen: Callable[[], Core] | None = None,
        threads: int = 1,
        budget: ThreadBudget | None = None,
    ) -> None:
        """Start the thread. ``core`` belongs to it from here on; at most ``requests`` are held, and
        callers wait.

        ``reopen`` makes another core after a fault. The core computes with ``threads``, and only
        while it has them of ``budget``.
        """
        self._core = core
        self._reopen = reopen
        self._threads = threads
        self._budget = budget or ThreadBudget(threads)
        self._failures = 0  # turns that failed since the last answer
        self._inbox: Inbox[AnyRequest] = Inbox(requests)
        self._unanswered: set[AnyRequest] = (
            set()
        )  # taken in and neither answered nor dropped; the thread's own
        self._stats = EngineStats()  # replaced as a whole, by the thread alone
        self._since = 0.0  # until when busy_seconds has counted
        self._thread = threading.Thread(target=self._live, name="engine", daemon=True)
        self._thread.start()

    @property
    def model(self) -> Model:
        """What it computes with."""
        return self._core.model

    def stats(self) -> EngineStats:
        """What has been done so far."""
        return self._stats

    async def put(self, request: AnyRequest) -> None:
        """Hand in a request, once there is room. Raises EngineError where the replica is closed."""
        await self._inbox.put(request)

    def close(self) -> None:
        """Fail what is in flight with EngineError and end the thread, after at most one call of the
        model. Idempotent.
        """
        for request in self._inbox.close(_CLOSED):
            request.fail(EngineError(_CLOSED))
        self._thread.join()

    def _live(self) -> None:
        """The thread's life."""
        reason = _CLOSED
        try:
            while (arrived := self._inbox.take(wait=not len(self._core))) is not None:
                try:
                    self._admit(arrived)
                    self._turn()
                except Exception as error:
                    self._restart(error)
        except BaseException as error:  # whatever it was, no caller may wait for ever
            reason = f"the engine stopped on an error, restart the worker: {error!r}"
            _log.exception("the engine thread ended")
        finally:
            self._unanswered.update(self._inbox.close(reason))
            self._fail_all(reason)

    def _restart(self, error: Exception) -> None:
        """Fail what was taken in, and open the model anew. Raises ``error`` where that is not
        possible.
        """
        if self._reopen is None:
            raise error
        _log.error("the model is opened anew after a fault of the engine", exc_info=error)
        self._fail_all(f"the engine failed and was started again, so try again: {error}")
        self._core = self._reopen()
        self._failures = 0

    def _fail_all(self, reason: str) -> None:
        for request in list(self._unanswered):
            self._settle(request, EngineError(reason))

    def _admit(self, arrived: Sequence[AnyRequest]) -> None:
        self._unanswered.update(arrived)
        self._core.add(arrived)
        self._drop_abandoned()

    def _drop_abandoned(self) -> None:
        for request in self._core.drop(lambda request: request.abandoned):
            self._forget(request)

    def _turn(self) -> None:
        """Have the core work, and answer what it answered. A failure is that of what was running,
        and no other's.
        """
        self._since = time.perf_counter()
        fault: Exception | None = None
        try:
            for answered in self._steps():
                if answered:
                    self._settle(*answered)
                    fault = answered[1] if isinstance(answered[1], EngineError) else fault
                elif self._inbox.closed:
                    return
        except Exception as error:  # a fault of what was running must not end the thread
            fault = error
            expected = isinstance(error, EngineError)
            reason = str(error) if expected else f"a batch failed on an internal error: {error!r}"
            lost = self._core.abandon()
            if not self._inbox.closed:
                _log.error("%d requests failed: %s", len(lost), error, exc_info=not expected)
            for request in lost:
                self._settle(request, EngineError(reason))
        finally:
            self._note()
        self._drop_abandoned()
        if fault is not None:
            self._failures += 1
            if self._failures >= _FAILURES:
                raise fault

    def _steps(self) -> Iterator[Answered | None]:
        """The core's turn, computing only while it has the budget."""
        turn = self._core.turn()
        while True:
            with self._budget.taken(self._threads):
                try:
                    answered = next(turn)
                except StopIteration:
                    return
            yield answered

    def _settle(self, request: AnyRequest, answer: Any) -> None:
        """Hand an answer or an error to the caller."""
        if request not in self._unanswered:
            return
        if isinstance(answer, EngineError):
            request.fail(answer)
        else:
            self._failures = 0
            stats = self._stats
            self._note(
                requests=stats.requests + 1,
                prompt_tokens=stats.prompt_tokens + request.length,
                generated_tokens=stats.generated_tokens
                + (len(answer.ids) if isinstance(answer, Generation) else 0),
            )
            request.resolve(answer)
        self._forget(request)

    def _note(self, **changes: int) -> None:
        """Bring the stats up to date, before an answer goes out."""
        now, counts = time.perf_counter(), self._core.counts
        self._stats = replace(
            self._stats,
            busy_seconds=self._stats.busy_seconds + now - self._since,
            calls=counts.calls,
            read_tokens=counts.read_tokens,
            reused_tokens=counts.reused_tokens,
            **changes,  # type: ignore[arg-type]  # all of them are counts
        )
        self._since = now

    def _forget(self, request: AnyRequest) -> None:
        if request in self._unanswered:
            self._unanswered.discard(request)
            self._inbox.release()
