"""An engine replica: one thread that owns an EngineCore.

The thread takes requests from the inbox, has the core do a step, and delivers the answers. A fault
of the model fails the requests that were running and no other. After several in a row, or an error
of another kind, every request of the replica fails and the model is loaded again. Where that fails
too, every later request fails with the error, so that no caller waits without an answer.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from models.engine.core import CoreOutput, EngineCore, ModelInfo
from models.engine.inbox import Inbox
from models.engine.limits import EngineLimits
from models.engine.replica_state import ReplicaEvent, ReplicaState, next_state
from models.engine.requests import AnyRequest, Generation
from models.engine.stats import EngineStats
from models.engine.thread_budget import ThreadBudget
from schemas.errors import EngineError, EngineStopped

_CLOSED = "the engine is closed"
_MOST_FAILURES = 3
"""Steps that fail one after the other before the model is loaded again."""
_log = logging.getLogger(__name__)


class Replica:
    """Answers requests with one core.

    ``put`` may be called from any event loop, the other methods from any thread.
    """

    def __init__(
        self,
        core: EngineCore,
        requests: int = EngineLimits().requests,
        *,
        reload: Callable[[], EngineCore] | None = None,
        threads: int = 1,
        budget: ThreadBudget | None = None,
    ) -> None:
        """Start the thread. From here on, ``core`` is used by that thread only.

        At most ``requests`` are held; further callers wait. ``reload`` makes another core after a
        fault. The core computes with ``threads``, and only while it has acquired them from
        ``budget``.
        """
        self._core = core
        self._reload_core = reload
        self._threads = threads
        self._budget = budget or ThreadBudget(threads)
        self._inbox: Inbox[AnyRequest] = Inbox(requests)
        # All that follows is written by the thread alone.
        self._state = ReplicaState.IDLE
        self._failures = 0  # steps that failed since the last answer
        self._unanswered: set[AnyRequest] = set()  # taken from the inbox, not answered or dropped
        self._stats = EngineStats()  # replaced as a whole
        self._counted_until = 0.0  # the time up to which busy_seconds has counted
        self._thread = threading.Thread(target=self._live, name="engine", daemon=True)
        self._thread.start()

    @property
    def model(self) -> ModelInfo:
        """The model that computes."""
        return self._core.model

    @property
    def state(self) -> ReplicaState:
        """What the thread is doing."""
        return self._state

    def stats(self) -> EngineStats:
        """What has been done so far."""
        return self._stats

    async def put(self, request: AnyRequest) -> None:
        """Queue a request, once there is room. Raises EngineStopped where the replica is closed."""
        await self._inbox.put(request)

    def close(self) -> None:
        """Fail the requests that are held with EngineStopped, and end the thread. Idempotent.

        Returns after at most one more call of the model.
        """
        for request in self._inbox.close(_CLOSED):
            request.fail(EngineStopped(_CLOSED))
        self._thread.join()

    def _live(self) -> None:
        """Run until closed or failed. The target of the thread."""
        reason = _CLOSED
        try:
            while (arrived := self._take()) is not None:
                try:
                    self._serve(arrived)
                except Exception as error:
                    self._reload(error)
            self._transit(ReplicaEvent.CLOSED)
        except BaseException as error:  # of any kind: every caller must get an answer
            self._transit(ReplicaEvent.CRASHED)
            reason = f"the engine stopped on an error, restart the worker: {error!r}"
            _log.exception("the engine thread ended")
        finally:
            self._unanswered.update(self._inbox.close(reason))
            self._fail_all(EngineStopped(reason))

    def _transit(self, event: ReplicaEvent) -> None:
        self._state = next_state(self._state, event)

    def _take(self) -> list[AnyRequest] | None:
        """New requests, of which an idle replica waits for one. None once the inbox is closed."""
        return self._inbox.take(wait=self._state is ReplicaState.IDLE)

    def _serve(self, arrived: Sequence[AnyRequest]) -> None:
        """Add new requests and do a step. Raises what the replica cannot attribute to a request."""
        if arrived:
            self._transit(ReplicaEvent.ARRIVED)
            self._unanswered.update(arrived)
            self._core.add(arrived)
        self._drop_cancelled()
        self._step()
        if not len(self._core):
            self._transit(ReplicaEvent.DRAINED)

    def _reload(self, error: Exception) -> None:
        """Fail every request, and load the model again.

        Raises ``error`` where the replica has no means to load it, and what loading raises.
        """
        self._transit(ReplicaEvent.FAULT)
        if self._reload_core is None:
            raise error
        _log.error("the model is loaded again after a fault of the engine", exc_info=error)
        self._fail_all(
            EngineError(f"the engine failed and was started again, so try again: {error}")
        )
        self._core = self._reload_core()
        self._failures = 0
        self._transit(ReplicaEvent.RELOADED)

    def _step(self) -> None:
        """Have the core do a step, and deliver its outputs.

        An error fails the requests that were running. It is raised where it is the last of several
        in a row.
        """
        self._counted_until = time.perf_counter()
        fault: Exception | None = None
        try:
            for output in self._outputs():
                if output:
                    self._settle(*output)
                    fault = output[1] if isinstance(output[1], EngineError) else fault
                elif self._inbox.closed:
                    return
        except Exception as error:  # fails the requests that were running, not the thread
            fault = error
            self._fail_running(error)
        finally:
            self._update_stats()
        self._drop_cancelled()
        if fault is not None:
            self._failures += 1
            if self._failures >= _MOST_FAILURES:
                raise fault

    def _outputs(self) -> Iterator[CoreOutput | None]:
        """The core's step, which computes only while it holds threads of the budget."""
        step = self._core.step()
        while True:
            with self._budget.acquired(self._threads):
                try:
                    output = next(step)
                except StopIteration:
                    return
            yield output

    def _fail_running(self, error: Exception) -> None:
        expected = isinstance(error, EngineError)
        reason = str(error) if expected else f"a batch failed on an internal error: {error!r}"
        lost = self._core.abort_running()
        if not self._inbox.closed:
            _log.error("%d requests failed: %s", len(lost), error, exc_info=not expected)
        for request in lost:
            self._settle(request, EngineError(reason))

    def _fail_all(self, error: EngineError) -> None:
        for request in list(self._unanswered):
            self._settle(request, error)

    def _settle(self, request: AnyRequest, answer: Any) -> None:
        """Deliver an answer or an EngineError to the caller."""
        if request not in self._unanswered:
            return
        if isinstance(answer, EngineError):
            request.fail(answer)
        else:
            self._failures = 0
            stats = self._stats
            self._update_stats(
                requests=stats.requests + 1,
                prompt_tokens=stats.prompt_tokens + request.length,
                generated_tokens=stats.generated_tokens
                + (len(answer.ids) if isinstance(answer, Generation) else 0),
            )
            request.resolve(answer)
        self._remove(request)

    def _drop_cancelled(self) -> None:
        for request in self._core.drop(lambda request: request.cancelled):
            self._remove(request)

    def _remove(self, request: AnyRequest) -> None:
        """Stop tracking a request, which makes room in the inbox."""
        if request in self._unanswered:
            self._unanswered.discard(request)
            self._inbox.release()

    def _update_stats(self, **changes: int) -> None:
        """Bring the stats up to date. Called before an answer is delivered."""
        now, counts = time.perf_counter(), self._core.counts
        self._stats = replace(
            self._stats,
            busy_seconds=self._stats.busy_seconds + now - self._counted_until,
            calls=counts.calls,
            prefill_tokens=counts.prefill_tokens,
            reused_tokens=counts.reused_tokens,
            **changes,  # type: ignore[arg-type]  # all of them are counts
        )
        self._counted_until = now
