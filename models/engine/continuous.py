"""Continuous batching: a step is schedule, run, postprocess.

The scheduler decides what a call of the model computes, the runner computes it, and postprocessing
applies the results: tokens to their sequences, KV slots back to the allocator, answers to the
caller.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from models.engine.core import ComputeCounts, CoreOutput
from models.engine.kv_slots import KVSlots
from models.engine.model_runner import ModelRunner, Prefill
from models.engine.request_queue import RequestQueue
from models.engine.requests import AnyRequest, ChoiceRequest, Generation, ScoreRequest
from models.engine.sampling import Choice, Logits, Nats, choice_among
from models.engine.scheduler import Scheduler, SchedulerOutput
from models.engine.sequence import RunningSequence
from schemas.errors import EngineError


class ContinuousBatching:
    """An EngineCore over KV slots."""

    def __init__(self, runner: ModelRunner, slots: KVSlots, chunk_tokens: int) -> None:
        """``chunk_tokens``: prompt tokens that are prefilled between two decodes of a sequence."""
        self.model = runner
        self.counts = ComputeCounts()
        self._slots = slots
        self._queue = RequestQueue()
        self._scheduler = Scheduler(self._queue, slots)
        self._chunk_tokens = chunk_tokens

    def __len__(self) -> int:
        return len(self._queue) + len(self._slots.running)

    def add(self, requests: Sequence[AnyRequest]) -> None:
        """Queue requests, oldest first."""
        self._queue.push(requests)

    def drop(self, unwanted: Callable[[AnyRequest], bool]) -> list[AnyRequest]:
        """Remove the requests that are unwanted, running ones too. Returns them."""
        dropped = self._queue.remove(unwanted)
        for sequence in self._slots.running:
            if unwanted(sequence.request):
                dropped.append(sequence.request)
                self._slots.free(sequence)
        return dropped

    def abort_running(self) -> list[AnyRequest]:
        """Remove the requests that run and all cached prefixes. Returns the requests."""
        lost = [sequence.request for sequence in self._slots.running]
        self._slots.reset()
        return lost

    def step(self) -> Iterator[CoreOutput | None]:
        """Prefill a chunk of prompts, and decode a token of every sequence that is past that.

        Yields outputs as they are ready, and None after each call of the model.
        """
        token_budget, ended = self._chunk_tokens, False
        while not ended:
            scheduled = self._scheduler.schedule(token_budget)
            token_budget -= len(scheduled.chunk.tokens) if scheduled.chunk else 0
            ended = scheduled.ends_step
            if not scheduled.is_empty:
                yield from self._compute(scheduled)
            yield None

    def check_integrity(self) -> None:
        """Recount the KV slots. Raises AssertionError where the state contradicts itself."""
        self._slots.check_integrity()

    def _compute(self, scheduled: SchedulerOutput) -> list[CoreOutput]:
        """Run and postprocess a call. One that fails is repeated in halves.

        So a fault of the prefill does not fail the sequences that decode, nor the reverse.
        """
        try:
            prefilled, tokens = self._run(scheduled)
        except EngineError as error:
            halves = scheduled.halves()
            if halves:
                return [output for half in halves for output in self._compute(half)]
            return self._fail(scheduled, error)
        return self._postprocess(scheduled, prefilled, tokens)

    def _run(self, scheduled: SchedulerOutput) -> tuple[Logits | Nats | None, list[int]]:
        """Make the pending copies, then call the model. Returns as ``ModelRunner.run`` does."""
        for copy in self._slots.take_copies():
            self.model.copy(*copy)
        decodes = [sequence.next_decode() for sequence in scheduled.decoding]
        return self.model.run(scheduled.chunk, decodes)

    def _postprocess(
        self, scheduled: SchedulerOutput, given: Logits | Nats | None, tokens: Sequence[int]
    ) -> list[CoreOutput]:
        """Apply the results of a call. Returns the outputs of the sequences that it completed."""
        self.counts.calls += 1
        self._note_cached(scheduled)  # before a slot moves: a move copies the cached tokens
        answers: list[tuple[RunningSequence, Any]] = []
        if scheduled.prefilling is not None and given is not None:
            prefilled, chunk = scheduled.prefilling
            answers.append((prefilled, self._use(prefilled, chunk, given)))
        for sequence, token in zip(scheduled.decoding, tokens, strict=True):
            answers.append((sequence, sequence.append(token)))
        completed = [(sequence, answer) for sequence, answer in answers if answer is not None]
        self._slots.finish(sequence for sequence, _ in completed)
        return [(sequence.request, answer) for sequence, answer in completed]

    def _note_cached(self, scheduled: SchedulerOutput) -> None:
        """Count the tokens whose keys and values a call has added to the slots."""
        for sequence in scheduled.decoding:
            sequence.length += 1
        if scheduled.prefilling is not None:
            sequence, chunk = scheduled.prefilling
            sequence.length += len(chunk.tokens)
            self.counts.prefill_tokens += len(chunk.tokens)

    def _use(
        self, sequence: RunningSequence, chunk: Prefill, given: Logits | Nats
    ) -> Choice | tuple[float, ...] | Generation | None:
        """Use what a prefill gave. Returns the answer, if that completes the request."""
        if chunk.ends:
            self.counts.reused_tokens += sequence.reused
        if isinstance(sequence.request, ScoreRequest):
            sequence.nats += given.tolist()
            return tuple(sequence.nats) if chunk.ends else None
        if isinstance(sequence.request, ChoiceRequest):
            return choice_among(given, sequence.request.option_ids)
        self._slots.start_decoding()
        return sequence.append(sequence.sampler.choose(given))

    def _fail(self, scheduled: SchedulerOutput, error: EngineError) -> list[CoreOutput]:
        """Free the slots of a call that failed."""
        for sequence in scheduled.sequences:
            self._slots.free(sequence)
        return [(sequence.request, error) for sequence in scheduled.sequences]
