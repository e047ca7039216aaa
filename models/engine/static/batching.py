"""Whole batches over the plain graph: what serves the architectures that
``models/export/graph/decoder.py`` does not build.

The scheduler puts requests of like length together; a batch runs to its end before the next begins.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from models.engine.core import Answered, Counts
from models.engine.limits import EngineLimits
from models.engine.requests import AnyRequest, GenerationRequest, RatingRequest
from models.engine.sampling import digit_probabilities
from models.engine.static.batch_runner import BatchRunner
from models.engine.static.generation_batch import GenerationBatch
from models.engine.static.scheduler import Batch, BatchScheduler


class StaticBatching:
    """A Core over a BatchRunner."""

    def __init__(self, runner: BatchRunner[Any], limits: EngineLimits | None = None) -> None:
        limits = limits or EngineLimits()
        self.model = runner
        self._limits = replace(limits, call_tokens=min(limits.call_tokens, runner.most_tokens))
        self._scheduler: BatchScheduler[AnyRequest] = BatchScheduler(self._limits)
        self._running: dict[AnyRequest, None] = {}
        self.counts = Counts()

    def __len__(self) -> int:
        return len(self._scheduler)

    def add(self, requests: Sequence[AnyRequest]) -> None:
        """Take in requests, oldest first."""
        self._scheduler.add(requests)

    def drop(self, unwanted: Callable[[AnyRequest], bool]) -> list[AnyRequest]:
        """Forget the waiting requests that are unwanted; returns them, and those that ended without
        an answer.
        """
        return self._scheduler.drop(unwanted) + self.abandon()

    def abandon(self) -> list[AnyRequest]:
        """Forget the batch that ran; returns its requests without an answer."""
        lost = list(self._running)
        self._running.clear()
        return lost

    def turn(self) -> Iterator[Answered | None]:
        """Run a batch; yields answers as they come, and None between two calls of the model."""
        batch = self._scheduler.next_batch()
        if batch is None:
            return
        self._running = dict.fromkeys(batch.requests)
        for answered in self._run(batch):
            if answered:
                self._running.pop(answered[0], None)
            yield answered

    def _run(self, batch: Batch[AnyRequest]) -> Iterator[Answered | None]:
        self.counts.read_tokens += sum(request.length for request in batch.requests)
        ratings = [request for request in batch.requests if isinstance(request, RatingRequest)]
        if ratings:
            self.counts.calls += 1
            logits = self.model.score([request.prompt for request in ratings])
            for request, row in zip(ratings, logits, strict=True):
                yield request, digit_probabilities(row, request.digit_ids)
        generations = [
            request for request in batch.requests if isinstance(request, GenerationRequest)
        ]
        if generations:
            for ended in GenerationBatch(self.model, generations, self._limits.call_tokens).run():
                self.counts.calls += ended is None
                yield ended
