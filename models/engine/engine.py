"""The engine: one thread that owns the model; callers of any event loop await their answers.

The thread's life is a loop: take in what has arrived, schedule a batch, run it, answer. A fault of the model fails the
batch that met it and no other; a fault of the thread fails every request, now and later. Nothing waits for ever.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models.engine.decoding import Decoding
from models.engine.inbox import Inbox
from models.engine.requests import AnyRequest, Generation, GenerationRequest, RatingRequest, Request
from models.engine.sampling import DIGITS, DigitProbabilities, Sampling, digit_probabilities
from models.engine.scheduler import Batch, EngineLimits, Scheduler
from models.engine.session import OnnxSession, Runner
from schemas.errors import EngineError, PromptTooLong

_CLOSED = "the engine is closed"
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
    batches: int = 0
    """Batches started."""
    busy_seconds: float = 0.0
    """Time spent in finished batches."""


class Engine:
    """Generates and rates with one model. Its methods may be called from any thread and any event loop."""

    def __init__(self, runner: Runner[Any], limits: EngineLimits | None = None) -> None:
        """Start the thread. ``runner`` belongs to the engine from here on."""
        limits = limits or EngineLimits()
        self._runner = runner
        self._inbox: Inbox[AnyRequest] = Inbox(limits.requests)
        self._limits = replace(limits, call_tokens=min(limits.call_tokens, runner.most_tokens))
        self._scheduler: Scheduler[AnyRequest] = Scheduler(self._limits)
        self._unanswered: set[AnyRequest] = set()  # taken in and neither answered nor dropped; the thread's own
        self._stats = EngineStats()  # replaced as a whole, by the thread alone
        self._thread = threading.Thread(target=self._live, name="engine", daemon=True)
        self._thread.start()

    @classmethod
    def load(
        cls, directory: Path, *, device: str = "auto", threads: int | None = None, limits: EngineLimits | None = None
    ) -> "Engine":
        """An engine for the ``model.onnx`` and ``config.json`` of a directory.

        ``device`` is ``auto`` (CUDA where it works), ``cpu`` or ``cuda``; ``threads`` defaults to the CPUs that this
        process may use. Raises ModelError where the model or the device is not usable.
        """
        return cls(OnnxSession.load(directory, device=device, threads=threads), limits)

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return self._runner.device

    @property
    def context_window(self) -> int:
        """Most tokens of a prompt and its continuation together."""
        return self._runner.context_window

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

    async def rate(self, prompt: Sequence[int], digit_ids: Sequence[int]) -> DigitProbabilities:
        """The probabilities of the tokens of '1' to '5' after a prompt.

        Raises PromptTooLong where the prompt does not fit the context window, ValueError for an empty prompt, an unknown
        id or other than five different digits, EngineError where the engine failed or is closed.
        """
        digits = self._known(digit_ids, "digit_ids")
        if len(digits) != DIGITS or len(set(digits)) != DIGITS:
            raise ValueError(f"digit_ids are {digits}: they must be {DIGITS} different ids, those of '1' to '5'")
        ids = self._checked(prompt, 0)
        loop = asyncio.get_running_loop()
        request = RatingRequest(prompt=ids, loop=loop, future=loop.create_future(), digit_ids=digits)
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
        if known and not 0 <= min(known) <= max(known) < self._runner.vocabulary:
            raise ValueError(f"{name} has an id outside of 0 to {self._runner.vocabulary - 1}: another model's tokenizer?")
        return known

    def _live(self) -> None:
        """The thread's life."""
        reason = _CLOSED
        try:
            while (arrived := self._inbox.take(wait=not len(self._scheduler))) is not None:
                self._admit(arrived)
                if batch := self._scheduler.next_batch():
                    self._run(batch)
        except BaseException as error:  # whatever it was, no caller may wait for ever
            reason = f"the engine stopped on an internal error, restart the worker: {error!r}"
            _log.exception("the engine thread ended")
        finally:
            self._unanswered.update(self._inbox.close(reason))
            for request in self._unanswered:
                request.fail(EngineError(reason))
            self._unanswered.clear()

    def _admit(self, arrived: Sequence[AnyRequest]) -> None:
        self._unanswered.update(arrived)
        self._scheduler.add(arrived)
        for request in self._scheduler.drop(lambda request: request.abandoned):
            self._forget(request)

    def _run(self, batch: Batch[AnyRequest]) -> None:
        """Run a batch and answer its requests. A failure is theirs alone."""
        self._stats = replace(self._stats, batches=self._stats.batches + 1)
        started = time.perf_counter()
        try:
            self._rate([request for request in batch.requests if isinstance(request, RatingRequest)])
            self._generate([request for request in batch.requests if isinstance(request, GenerationRequest)])
        except Exception as error:  # a fault of one batch must not end the thread
            expected = isinstance(error, EngineError)
            reason = str(error) if expected else f"a batch failed on an internal error: {error!r}"
            if not self._inbox.closed:
                _log.error("a batch of %d requests failed: %s", len(batch.requests), error, exc_info=not expected)
            for request in self._unanswered.intersection(batch.requests):
                request.fail(EngineError(reason))
        finally:
            self._stats = replace(self._stats, busy_seconds=self._stats.busy_seconds + time.perf_counter() - started)
        for request in self._unanswered.intersection(batch.requests):
            self._forget(request)

    def _rate(self, requests: Sequence[RatingRequest]) -> None:
        if not requests:
            return
        logits = self._runner.score([request.prompt for request in requests])
        for request, row in zip(requests, logits, strict=True):
            self._answer(request, digit_probabilities(row, request.digit_ids))

    def _generate(self, requests: Sequence[GenerationRequest]) -> None:
        if not requests:
            return
        for ended in Decoding(self._runner, requests, self._limits.call_tokens).run():
            if ended:
                request, generation = ended
                self._answer(request, generation, len(generation.ids))
            elif self._inbox.closed:
                raise EngineError(_CLOSED)

    def _answer(self, request: Request[Any], answer: Any, generated: int = 0) -> None:
        stats = self._stats
        self._stats = replace(
            stats,
            requests=stats.requests + 1,
            prompt_tokens=stats.prompt_tokens + request.length,
            generated_tokens=stats.generated_tokens + generated,
        )
        request.resolve(answer)
        self._forget(request)

    def _forget(self, request: Any) -> None:
        self._unanswered.discard(request)
        self._inbox.release()
