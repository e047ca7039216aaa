"""Continuous batching: which prompt is read and which rows decode, decided anew at every step.

Iteration-level scheduling as in Orca (OSDI 2022): a row that ends is free for the next request at the next step. A prompt
is read in chunks between the steps of the others, so that a long one does not make them wait. A rating is a prompt that
is only read. Requests are taken by priority; of the same priority ratings go first, because the row of the passage that
they are about is still held then; of the same kind the oldest does.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from models.engine.core import Answered, Counts, Model
from models.engine.prefixes import Prefixes, Tokens
from models.engine.requests import AnyRequest, Generation, GenerationRequest, RatingRequest
from models.engine.sampling import Logits, Sampler, digit_probabilities
from models.engine.scheduler import Kind
from schemas.errors import EngineError

_RATINGS_IN_A_ROW = 8
"""Ratings that may be taken one after the other while a generation of their priority waits."""


class Rows(Model, Protocol):
    """What the schedule needs of ``SlotSession``; the meaning is told there."""

    @property
    def copies(self) -> bool:
        """Whether rows can be copied."""

    def read(self, row: int, tokens: Sequence[int], past: int) -> Logits:
        """Append tokens to a row; logits after the last."""

    def step(self, tokens: Sequence[int], lengths: Sequence[int], samplers: Sequence[Sampler | None]) -> list[int]:
        """Append a token to each of the first rows; the token that each sampler chooses then."""

    def copy(self, source: int, target: int, length: int) -> None:
        """Have a row begin as another does."""


@dataclass(eq=False, slots=True)
class _Sequence:
    """A request that has a row. ``tokens`` are those of the prompt, then the generated ones; ``length`` lie in the row."""

    request: AnyRequest
    tokens: list[int]
    sampler: Sampler | None
    length: int = 0
    generated: int = 0
    reused: int = 0

    @property
    def held(self) -> Tokens:
        return np.array(self.tokens[: self.length], np.int32)


@dataclass(slots=True)
class Continuous:
    """A Core over rows."""

    model: Rows
    active: int
    """Rows for requests; the first of the session's. One is never given to a generation, so that no rating waits for one."""
    prefixes: Prefixes
    chunk: int
    """Prompt tokens that are read between two steps of the rows that decode."""
    counts: Counts = field(default_factory=Counts)
    _waiting: dict[Kind, list[tuple[int, int, AnyRequest]]] = field(default_factory=lambda: {kind: [] for kind in Kind})
    """Heaps of priority, serial number and request."""
    _serial: int = 0
    _ratings_in_a_row: int = 0
    _rows: list[_Sequence | None] = field(default_factory=list)
    _reading: int | None = None
    """The row whose prompt is being read."""

    def __post_init__(self) -> None:
        self._rows = [None] * self.active

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values())) + sum(row is not None for row in self._rows)

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
        for row, sequence in enumerate(self._rows):
            if sequence is not None and unwanted(sequence.request):
                dropped.append(sequence.request)
                self._free(row)
        return dropped

    def abandon(self) -> list[AnyRequest]:
        """Forget what was running, and what rows hold; returns its requests without an answer."""
        lost = [sequence.request for sequence in self._rows if sequence is not None]
        self._rows = [None] * self.active
        self._reading = None
        self.prefixes.forget()
        return lost

    def turn(self) -> Iterator[Answered | None]:
        """Read a chunk of prompts, then decode a token in every row that is ready; yields what that answered."""
        yield from self._read()
        yield None
        self._close_gaps()
        yield from self._decode()

    def _decoding(self) -> list[int]:
        return [row for row, sequence in enumerate(self._rows) if sequence is not None and row != self._reading]

    def _read(self) -> Iterator[Answered]:
        # Where nothing decodes, nothing waits for the step, and prompts are read until something does.
        budget = self.chunk
        while budget > 0 and (row := self._next_to_read()) is not None:
            sequence = self._rows[row]
            assert sequence is not None
            end = min(len(sequence.tokens), sequence.length + max(1, budget))
            part = sequence.tokens[sequence.length : end]
            try:
                logits = self.model.read(row, part, sequence.length)
            except EngineError as error:
                self._free(row)
                yield sequence.request, error
                continue
            self.counts.calls += 1
            self.counts.read_tokens += len(part)
            budget -= len(part)
            sequence.length = end
            if end == len(sequence.tokens):
                self._reading = None
                yield from self._take(row, sequence, logits)

    def _next_to_read(self) -> int | None:
        """The row of the prompt that is being read, else of the next request where there is a free row."""
        if self._reading is None and None in self._rows and (request := self._next_request()) is not None:
            row = self._rows.index(None)
            sampler = Sampler(request.sampling) if isinstance(request, GenerationRequest) else None
            sequence = _Sequence(request, list(request.prompt), sampler)
            self._reuse(row, sequence)
            self._rows[row] = sequence
            self._reading = row
        return self._reading

    def _next_request(self) -> AnyRequest | None:
        ratings, generations = self._waiting[Kind.RATING], self._waiting[Kind.GENERATION]
        generating = sum(sequence is not None and sequence.sampler is not None for sequence in self._rows)
        may_generate = bool(generations) and generating < max(1, self.active - 1)
        passed_over = may_generate and bool(ratings) and generations[0][0] < ratings[0][0]
        if ratings and not passed_over and not (may_generate and self._ratings_in_a_row >= _RATINGS_IN_A_ROW):
            self._ratings_in_a_row += 1
            return heapq.heappop(ratings)[2]
        self._ratings_in_a_row = 0
        return heapq.heappop(generations)[2] if may_generate else None

    def _reuse(self, row: int, sequence: _Sequence) -> None:
        if not self.model.copies:
            return
        running = [(other, held.held) for other, held in enumerate(self._rows) if held is not None]
        found = self.prefixes.longest(np.array(sequence.tokens, np.int32), running)
        if found is not None:
            source, length = found
            self.model.copy(source, row, length)
            sequence.length = sequence.reused = length
            self.counts.reused_tokens += length

    def _decode(self) -> Iterator[Answered]:
        ready = self._decoding()
        if not ready:
            return
        # A row within that is free or being read gets a token that its own next one will overwrite.
        rows = self._rows[: ready[-1] + 1]
        tokens = [sequence.tokens[-1] if sequence is not None else 0 for sequence in rows]
        lengths = [sequence.length if sequence is not None else 0 for sequence in rows]
        samplers = [
            sequence.sampler if row != self._reading and sequence is not None else None for row, sequence in enumerate(rows)
        ]
        try:
            chosen = self.model.step(tokens, lengths, samplers)
        except EngineError as error:
            for row in ready:
                failed = self._rows[row]
                assert failed is not None
                self._free(row)
                yield failed.request, error
            return
        self.counts.calls += 1
        for row in ready:
            sequence = self._rows[row]
            assert sequence is not None
            sequence.length += 1
            yield from self._append(row, sequence, chosen[row])

    def _take(self, row: int, sequence: _Sequence, logits: Logits) -> Iterator[Answered]:
        """Use the logits after a sequence: answer a rating, or choose the next token of a generation."""
        request = sequence.request
        if isinstance(request, RatingRequest):
            self._finish(row, sequence)
            yield request, digit_probabilities(logits, request.digit_ids)
            return
        assert sequence.sampler is not None
        yield from self._append(row, sequence, sequence.sampler.choose(logits))

    def _append(self, row: int, sequence: _Sequence, token: int) -> Iterator[Answered]:
        """Add a token to a generation, which may be at its end with it."""
        request = sequence.request
        assert isinstance(request, GenerationRequest)
        stopped = token in request.stop_ids
        if not stopped:
            sequence.tokens.append(token)
            sequence.generated += 1
        if stopped or sequence.generated >= request.sampling.max_tokens:
            self._finish(row, sequence)
            yield request, Generation(tuple(sequence.tokens[len(request.prompt) :]), token if stopped else None)

    def _finish(self, row: int, sequence: _Sequence) -> None:
        """Set aside what another prompt may begin with, and free the row."""
        if self.model.copies and sequence.reused < sequence.length // 2:
            kept = self.prefixes.hold(sequence.held)
            if kept is not None:
                self.model.copy(row, kept, sequence.length)
        self._free(row)

    def _free(self, row: int) -> None:
        self._rows[row] = None
        if self._reading == row:
            self._reading = None

    def _close_gaps(self) -> None:
        """Move the last sequences into gaps before them, so that no step computes rows that are free."""
        if not self.model.copies:
            return
        while True:
            taken = [row for row, sequence in enumerate(self._rows) if sequence is not None]
            if not taken or None not in self._rows[: taken[-1]]:
                return
            source, gap = taken[-1], self._rows.index(None)
            moved = self._rows[source]
            assert moved is not None
            self.model.copy(source, gap, moved.length)
            self._rows[gap], self._rows[source] = moved, None
            if self._reading == source:
                self._reading = gap
