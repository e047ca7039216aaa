"""Decodes one batch of generations, a token a step, until all of them are complete."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from models.engine.requests import Generation, GenerationRequest
from models.engine.sampling import Logits, Sampler
from models.engine.static.batch_runner import BatchRunner
from models.engine.static.scheduler import calls

C = TypeVar("C")


@dataclass(slots=True)
class _Row:
    """A generation in progress, a row of the batch."""

    request: GenerationRequest
    sampler: Sampler
    ids: list[int] = field(default_factory=list)
    done: bool = False

    def append_next(self, logits: Logits) -> Generation | None:
        """Choose the next token. Returns the generation, if the token completes it."""
        token = self.sampler.choose(logits)
        stopped = token in self.request.stop_ids
        if not stopped:
            self.ids.append(token)
        self.done = stopped or len(self.ids) >= self.request.sampling.max_tokens
        return Generation(tuple(self.ids), token if stopped else None) if self.done else None


class GenerationBatch(Generic[C]):
    """A batch of generations.

    Completed rows are removed once they are a quarter of the batch, because removing is a copy.
    """

    def __init__(
        self, runner: BatchRunner[C], requests: Sequence[GenerationRequest], call_tokens: int
    ) -> None:
        """``requests`` are sorted by length; prefills run in calls of at most ``call_tokens``."""
        self._runner = runner
        self._call_tokens = call_tokens
        self._rows = [_Row(request, Sampler(request.sampling)) for request in requests]

    def run(self) -> Iterator[tuple[GenerationRequest, Generation] | None]:
        """Decode to the end. Yields each generation as it is complete.

        Yields None between calls, where the caller may stop. Cancelled requests end without an
        answer. Raises EngineError where a call fails.
        """
        starts = []
        for part in calls([row.request.length for row in self._rows], self._call_tokens):
            starts.append(self._runner.start([row.request.prompt for row in self._rows[part]]))
            yield None
        cache = self._runner.join([cache for cache, _ in starts])
        logits = np.concatenate([logits for _, logits in starts])
        while True:
            yield from self._choose_tokens(logits)
            active = [index for index, row in enumerate(self._rows) if not row.done]
            if not active:
                return
            yield None
            if 4 * (len(self._rows) - len(active)) >= len(self._rows):
                self._runner.keep(cache, active)
                self._rows = [self._rows[index] for index in active]
            logits = self._runner.step(cache, [row.ids[-1] if row.ids else 0 for row in self._rows])

    def _choose_tokens(
        self, batch_logits: Logits
    ) -> Iterator[tuple[GenerationRequest, Generation]]:
        for row, logits in zip(self._rows, batch_logits, strict=True):
            if row.request.cancelled:
                row.done = True
            elif not row.done and (generation := row.append_next(logits)):
                yield row.request, generation
