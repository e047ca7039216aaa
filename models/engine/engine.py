"""The engine: one thread that owns the model; callers of any event loop await their answers.

The thread's life is a loop: take in what has arrived, have the core work, answer. A fault of the model fails what was
running and nothing else. After several in a row, or a fault of another kind, every request fails and the model is opened
anew; where that is not possible, every later request fails too. Nothing waits for ever.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from models.engine.batches import Batches
from models.engine.continuous import Continuous
from models.engine.core import Answered, Core
from models.engine.device import is_cuda_there
from models.engine.inbox import Inbox
from models.engine.precision import Precision, served_precision
from models.engine.prefixes import Prefixes
from models.engine.requests import AnyRequest, Generation, GenerationRequest, RatingRequest
from models.engine.sampling import DIGITS, DigitProbabilities, Sampling
from models.engine.scheduler import EngineLimits
from models.engine.session import OnnxSession
from models.engine.slots import DECODER_FILE, SlotSession
from schemas.errors import EngineError, PromptTooLong

_CLOSED = "the engine is closed"
_FAILURES = 3
"""Turns that fail one after the other before the model is opened anew."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineStats:
    """What an engine has done since it was loaded."""

    requests: int = 0
    """Requests answered."""
    prompt_tokens: int = 0
    """Tokens of their prompts."""
    generated_tokens: int = 0
    """Tokens of their generations."""
    busy_seconds: float = 0.0
    """Time spent at work."""
    calls: int = 0
    """Calls of the model."""
    read_tokens: int = 0
    """Prompt tokens that went through the model."""
    reused_tokens: int = 0
    """Prompt tokens whose keys and values were there already, from another request."""


Budget = contextlib.AbstractContextManager[Any]


class Engine:
    """Generates and rates with one model. Its methods may be called from any thread and any event loop."""

    def __init__(
        self,
        core: Core,
        requests: int = EngineLimits().requests,
        *,
        precision: Precision = Precision.FP32,
        reopen: Callable[[], Core] | None = None,
        budget: Budget | None = None,
    ) -> None:
        """Start the thread. ``core`` belongs to it from here on; at most ``requests`` are held, and callers wait.

        ``reopen`` makes another core after a fault. ``budget`` is held while the core computes: engines that share it
        take turns, each with all the threads.
        """
        self.precision = precision
        self._core = core
        self._reopen = reopen
        self._budget = budget or contextlib.nullcontext()
        self._failures = 0  # turns that failed since the last answer
        self._inbox: Inbox[AnyRequest] = Inbox(requests)
        self._unanswered: set[AnyRequest] = set()  # taken in and neither answered nor dropped; the thread's own
        self._stats = EngineStats()  # replaced as a whole, by the thread alone
        self._since = 0.0  # until when busy_seconds has counted
        self._thread = threading.Thread(target=self._live, name="engine", daemon=True)
        self._thread.start()

    @classmethod
    def load(
        cls,
        directory: Path,
        *,
        device: str = "auto",
        threads: int | None = None,
        precision: str = "auto",
        memory_gb: float | None = None,
        limits: EngineLimits | None = None,
        budget: Budget | None = None,
    ) -> "Engine":
        """An engine for the graph and the ``config.json`` of a directory: ours where it is there, else the plain one.

        ``device`` is ``auto`` (CUDA where it works), ``cpu`` or ``cuda``; ``threads`` defaults to the CPUs that this
        process may use. ``precision`` is ``auto`` (what the export chose), ``fp32`` or ``int8``; a GPU is given fp16 or
        fp32, and at most ``memory_gb`` of its memory. Raises ModelError where the model, the device or the precision is not
        usable.
        """
        limits = limits or EngineLimits()
        own = (directory / DECODER_FILE).is_file()
        on_cuda = device != "cpu" and is_cuda_there()
        chosen = served_precision(directory, precision, on_cuda=on_cuda) if own else Precision.FP32
        open_core = partial(_open, directory, chosen if own else None, threads, limits, memory_gb)
        core = open_core(device)
        return cls(core, limits.requests, precision=chosen, reopen=lambda: open_core(core.model.device), budget=budget)

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return self._core.model.device

    @property
    def context_window(self) -> int:
        """Most tokens of a prompt and its continuation together."""
        return self._core.model.context_window

    def stats(self) -> EngineStats:
        """What has been done so far."""
        return self._stats

    async def generate(self, prompt: Sequence[int], sampling: Sampling, stop_ids: Collection[int]) -> Generation:
        """Continue a prompt until one of ``stop_ids`` or ``sampling.max_tokens``.

        The same call gives the same tokens whatever runs beside it, as far as fp32 sums in another order allow.
        Raises PromptTooLong where prompt and ``max_tokens`` do not fit the context window, ValueError for an empty
        prompt or an unknown id, EngineError where the engine failed or is closed.
        """
        ids = self._checked(prompt, sampling.max_tokens)
        loop = asyncio.get_running_loop()
        request = GenerationRequest(
            prompt=ids, loop=loop, future=loop.create_future(), sampling=sampling, stop_ids=frozenset(stop_ids)
        )
        await self._inbox.put(request)
        return await request.answer()

    async def rate(self, prompt: Sequence[int], digit_ids: Sequence[int], priority: int = 0) -> DigitProbabilities:
        """The probabilities of the tokens of '1' to '5' after a prompt. Of what waits, the lowest ``priority`` goes first.

        Raises PromptTooLong where the prompt does not fit the context window, ValueError for an empty prompt, an unknown
        id or other than five different digits, EngineError where the engine failed or is closed.
        """
        digits = self._known(digit_ids, "digit_ids")
        if len(digits) != DIGITS or len(set(digits)) != DIGITS:
            raise ValueError(f"digit_ids are {digits}: they must be {DIGITS} different ids, those of '1' to '5'")
        ids = self._checked(prompt, 0)
        loop = asyncio.get_running_loop()
        request = RatingRequest(prompt=ids, loop=loop, future=loop.create_future(), priority=priority, digit_ids=digits)
        await self._inbox.put(request)
        return await request.answer()

    def close(self) -> None:
        """Fail what is in flight with EngineError and end the thread, after at most one call of the model. Idempotent."""
        for request in self._inbox.close(_CLOSED):
            request.fail(EngineError(_CLOSED))
        self._thread.join()

    def _checked(self, prompt: Sequence[int], new: int) -> tuple[int, ...]:
        ids = self._known(prompt, "prompt")
        if not ids:
            raise ValueError("the prompt is empty: there is nothing to continue")
        if len(ids) + new > self.context_window:
            asked = f"{len(ids):,} tokens and {new:,} new ones" if new else f"{len(ids):,} tokens"
            raise PromptTooLong(
                f"a prompt of {asked} does not fit the model's context window of {self.context_window:,}: shorten the text"
            )
        return ids

    def _known(self, ids: Sequence[int], name: str) -> tuple[int, ...]:
        """The ids, all of the vocabulary: another one would fail the whole batch."""
        known = tuple(int(id) for id in ids)
        vocabulary = self._core.model.vocabulary
        if known and not 0 <= min(known) <= max(known) < vocabulary:
            raise ValueError(f"{name} has an id outside of 0 to {vocabulary - 1}: another model's tokenizer?")
        return known

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
        """Fail what was taken in, and open the model anew. Raises ``error`` where that is not possible."""
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
        """Have the core work, and answer what it answered. A failure is that of what was running, and no other's."""
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
            with self._budget:
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
                generated_tokens=stats.generated_tokens + (len(answer.ids) if isinstance(answer, Generation) else 0),
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


def _open(
    directory: Path,
    precision: Precision | None,
    threads: int | None,
    limits: EngineLimits,
    memory_gb: float | None,
    device: str,
) -> Core:
    """Our own core, or the one for the plain graph where there is no precision to choose."""
    if precision is None:
        return Batches(OnnxSession.load(directory, device=device, threads=threads, memory_gb=memory_gb), limits)
    active, held = limits.generation_rows + 1, limits.held_rows
    session = SlotSession.load(directory, precision.file, device=device, threads=threads, rows=active + held, memory_gb=memory_gb)
    return Continuous(session, active, Prefixes(range(active, active + held)), limits.chunk_tokens)
