"""Continuous batching: which prompt is read and which rows decode, decided anew at every step.

Iteration-level scheduling as in Orca (OSDI 2022): a row that ends is free for the next request at
the next step. A prompt is read in chunks, in the calls that decode the others (Sarathi, OSDI 2024),
so that a long one does not make them wait and the weights are read once for both. A rating is a
prompt that is only read. Requests are taken by priority; of the same priority ratings go first,
because the row of the passage that they are about is still held then; of the same kind the oldest
does.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.engine.core import Answered, Counts
from models.engine.model_runner import Decode, ModelRunner, Prefill
from models.engine.prefixes import Prefixes, Tokens
from models.engine.requests import (
    AnyRequest,
    Generation,
    GenerationRequest,
    RatingRequest,
    RequestKind,
)
from models.engine.sampling import Logits, Sampler, Sampling, digit_probabilities
from schemas.errors import EngineError

_RATINGS_IN_A_ROW = 8
"""Ratings that may be taken one after the other while a generation of their priority waits."""


@dataclass(eq=False, slots=True)
class _Sequence:
    """A request that has a row. ``tokens`` are those of the prompt, then the generated ones;
    ``length`` lie in the row.
    """

    request: AnyRequest
    tokens: list[int]
    sampler: Sampler
    """Of a generation."""
    row: int
    length: int = 0
    generated: int = 0
    reused: int = 0

    @property
    def held(self) -> Tokens:
        return np.array(self.tokens[: self.length], np.int32)


@dataclass(slots=True)
class Continuous:
    """A Core over rows."""

    model: ModelRunner
    active: int
    """ModelRunner for requests; the first of the session's. One is never given to a generation, so that no
    rating waits for one.
    """
    prefixes: Prefixes
    chunk: int
    """Prompt tokens that are read between two steps of the rows that decode."""
    counts: Counts = field(default_factory=Counts)
    _waiting: dict[RequestKind, list[tuple[int, int, AnyRequest]]] = field(
        default_factory=lambda: {kind: [] for kind in RequestKind}
    )
    """Heaps of priority, serial number and request."""
    _serial: int = 0
    _ratings_in_a_row: int = 0
    _decoding: list[_Sequence] = field(default_factory=list)
    """Those that decode, in the first rows: each in the row of its place here."""
    _reading: _Sequence | None = None
    """The one whose prompt is being read, in a row behind those."""

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values())) + len(self._running())

    def add(self, requests: Sequence[AnyRequest]) -> None:
        """Take in requests, oldest first."""
        for request in requests:
            heapq.heappush(self._waiting[request.kind], (request.priority, self._serial, request))
            self._serial += 1

    def drop(self, unwanted: Callable[[AnyRequest], bool]) -> list[AnyRequest]:
        """Forget the requests that are unwanted, running ones too; returns them."""
        dropped: list[AnyRequest] = []
        for waiting in self._waiting.values():
            if gone := {entry[2] for entry in waiting if unwanted(entry[2])}:
                dropped += gone
                waiting[:] = [entry for entry in waiting if entry[2] not in gone]
                heapq.heapify(waiting)
        for sequence in self._running():
            if unwanted(sequence.request):
                dropped.append(sequence.request)
                self._free(sequence)
        return dropped

    def abandon(self) -> list[AnyRequest]:
        """Forget what was running, and what rows hold; returns its requests without an answer."""
        lost = self._running()
        for sequence in reversed(lost):
            self._free(sequence)
        self.prefixes.forget()
        return [sequence.request for sequence in lost]

    def turn(self) -> Iterator[Answered | None]:
        """Read a chunk of prompts and decode a token in every row that is ready; yields what that
        answered.

        The last call of a turn does both. The ones before it read what is short: a chunk may hold
        several prompts.
        """
        budget, more = self.chunk, True
        while more:
            part = self._next_part(budget)
            budget -= len(part.tokens) if part else 0
            more = part is not None and part.ends and budget > 0 and self._has_more_to_read()
            yield from self._advance(part, [] if more else [*self._decoding])
            yield None

    def _running(self) -> list[_Sequence]:
        return [*self._decoding, *([self._reading] if self._reading else [])]

    def _next_part(self, budget: int) -> Prefill | None:
        """What to read next: of the prompt that is being read, else of the next request where there
        is a free row.
        """
        if (
            self._reading is None
            and len(self._decoding) < self.active
            and (request := self._next_request()) is not None
        ):
            sampling = request.sampling if isinstance(request, GenerationRequest) else Sampling()
            self._reading = _Sequence(
                request, list(request.prompt), Sampler(sampling), row=len(self._decoding)
            )
            self._reuse(self._reading)
        if self._reading is None:
            return None
        tokens, length = self._reading.tokens, self._reading.length
        end = min(len(tokens), length + budget)
        return Prefill(self._reading.row, tokens[length:end], length, ends=end == len(tokens))

    def _has_more_to_read(self) -> bool:
        """Whether another request can be begun once the prompt that is being read has ended."""
        return bool(self._waiting[RequestKind.RATING]) or self._may_generate()

    def _may_generate(self) -> bool:
        reading = self._reading is not None and isinstance(self._reading.request, GenerationRequest)
        return bool(self._waiting[RequestKind.GENERATION]) and len(self._decoding) + reading < max(
            1, self.active - 1
        )

    def _next_request(self) -> AnyRequest | None:
        ratings, generations = (
            self._waiting[RequestKind.RATING],
            self._waiting[RequestKind.GENERATION],
        )
        may_generate = self._may_generate()
        passed_over = may_generate and bool(ratings) and generations[0][0] < ratings[0][0]
        if (
            ratings
            and not passed_over
            and not (may_generate and self._ratings_in_a_row >= _RATINGS_IN_A_ROW)
        ):
            self._ratings_in_a_row += 1
            return heapq.heappop(ratings)[2]
        self._ratings_in_a_row = 0
        return heapq.heappop(generations)[2] if may_generate else None

    def _reuse(self, sequence: _Sequence) -> None:
        running = [(other.row, other.held) for other in self._decoding]
        found = self.prefixes.longest(np.array(sequence.tokens, np.int32), running)
        if found is not None:
            source, length = found
            if isinstance(sequence.request, RatingRequest) and self.prefixes.lend(source, length):
                sequence.row = source  # it never decodes, so it need not lie among the first rows
            else:
                self.model.copy(source, sequence.row, length)
            sequence.length = sequence.reused = length
            self.counts.reused_tokens += length

    def _advance(self, part: Prefill | None, decoding: Sequence[_Sequence]) -> Iterator[Answered]:
        """One call of the model. One that fails is made again in halves, so that what one of them
        did does not fail the other.
        """
        if part is None and not decoding:
            return
        try:
            logits, chosen = self.model.run(
                part, [Decode(each.tokens[-1], each.length, each.sampler) for each in decoding]
            )
        except EngineError as error:
            if part is not None and decoding:
                yield from self._advance(None, decoding)
                yield from self._advance(part, [])
                return
            for failed in decoding or self._running()[-1:]:
                self._free(failed)
                yield failed.request, error
            return
        self.counts.calls += 1
        for sequence in decoding:  # all of them first: one that ends has the last one moved
            sequence.length += 1
        if (
            part is not None
        ):  # before others end: it lies right behind them, and moves once where one leaves a gap
            yield from self._have_read(part, logits)
        for sequence, token in zip(decoding, chosen, strict=True):
            yield from self._append(sequence, token)

    def _have_read(self, part: Prefill, logits: Logits | None) -> Iterator[Answered]:
        sequence = self._reading
        assert sequence is not None
        self.counts.read_tokens += len(part.tokens)
        sequence.length += len(part.tokens)
        if logits is None:
            return
        if isinstance(sequence.request, RatingRequest):
            self._finish(sequence)
            yield sequence.request, digit_probabilities(logits, sequence.request.digit_ids)
            return
        self._reading = None
        self._move(sequence, len(self._decoding))
        self._decoding.append(sequence)
        yield from self._append(sequence, sequence.sampler.choose(logits))

    def _append(self, sequence: _Sequence, token: int) -> Iterator[Answered]:
        """Add a token to a generation, which may be at its end with it."""
        request = sequence.request
        assert isinstance(request, GenerationRequest)
        stopped = token in request.stop_ids
        if not stopped:
            sequence.tokens.append(token)
            sequence.generated += 1
        if stopped or sequence.generated >= request.sampling.max_tokens:
            self._finish(sequence)
            yield (
                request,
                Generation(
                    tuple(sequence.tokens[len(request.prompt) :]), token if stopped else None
                ),
            )

    def _finish(self, sequence: _Sequence) -> None:
        """Set aside what another prompt may begin with, and free the row."""
        if sequence.row < self.active and sequence.reused < sequence.length // 2:
            kept = self.prefixes.hold(sequence.held)
            if kept is not None:
                self.model.copy(sequence.row, kept, sequence.length)
        self._free(sequence)

    def _free(self, sequence: _Sequence) -> None:
        """Free its row. The last of those that decode moves into a gap, so that no call computes
        rows that are free.
        """
        if sequence is self._reading:
            self._reading = None
            if sequence.row >= self.active:
                self.prefixes.give_back(sequence.row, sequence.held)
            return
        last = self._decoding.pop()
        if last is not sequence:
            self._decoding[sequence.row] = last
            self._move(last, sequence.row)

    def _move(self, sequence: _Sequence, row: int) -> None:
        if row != sequence.row:
            self.model.copy(sequence.row, row, sequence.length)
            sequence.row = row
