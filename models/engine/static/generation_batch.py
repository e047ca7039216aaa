"""Decodes one batch of generations, a token a step, until every row is done."""

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
class Row:
    """A generation in progress."""

    request: GenerationRequest
    sampler: Sampler
    ids: list[int] = field(default_factory=list)
    done: bool = False

    def take(self, logits: Logits) -> Generation | None:
        """Choose the next token; the generation, if that ended it."""
        token = self.sampler.choose(logits)
        stopped = token in self.request.stop_ids
        if not stopped:
            self.ids.append(token)
        self.done = stopped or len(self.ids) >= self.request.sampling.max_tokens
        return Generation(tuple(self.ids), token if stopped else None) if self.done else None


class GenerationBatch(Generic[C]):
    """A batch of generations. Finished rows stay until a quarter are, since taking rows out is a
    copy.
    """

    def __init__(
        self, runner: BatchRunner[C], requests: Sequence[GenerationRequest], call_tokens: int
    ) -> None:
        """Get ready. ``requests`` come by ascending length; their prompts run in calls of at most
        ``call_tokens``.
        """
        self._runner = runner
        self._call_tokens = call_tokens
        self._rows = [Row(request, Sampler(request.sampling)) for request in requests]

    def run(self) -> Iterator[tuple[GenerationRequest, Generation] | None]:
        """Decode; yields each generation as it ends, and None between calls, so that the caller can
        stop there.

        Abandoned requests end without an answer. Raises EngineError where a call fails.
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
            if row.request.abandoned:
                row.done = True
            elif not row.done and (generation := row.take(logits)):
                yield row.request, generation
