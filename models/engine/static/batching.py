"""Static batching: a batch runs to its end before the next begins.

Serves the architectures that ``models/export/graph/decoder.py`` does not support. The scheduler
puts requests of similar length together.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from models.engine.core import ComputeCounts, CoreOutput
from models.engine.limits import EngineLimits
from models.engine.requests import AnyRequest, ChoiceRequest, GenerationRequest, ScoreRequest
from models.engine.sampling import choice_among
from models.engine.static.batch_runner import BatchRunner
from models.engine.static.generation_batch import GenerationBatch
from models.engine.static.scheduler import Batch, BatchScheduler


class StaticBatching:
    """An EngineCore over a BatchRunner."""

    def __init__(self, runner: BatchRunner[Any], limits: EngineLimits | None = None) -> None:
        limits = limits or EngineLimits()
        self.model = runner
        self._limits = replace(limits, call_tokens=min(limits.call_tokens, runner.most_tokens))
        self._scheduler: BatchScheduler[AnyRequest] = BatchScheduler(self._limits)
        self._running: dict[AnyRequest, None] = {}
        self.counts = ComputeCounts()

    def __len__(self) -> int:
        return len(self._scheduler)

    def add(self, requests: Sequence[AnyRequest]) -> None:
        """Queue requests, oldest first."""
        self._scheduler.add(requests)

    def drop(self, unwanted: Callable[[AnyRequest], bool]) -> list[AnyRequest]:
        """Remove unwanted requests that wait, and what a batch left without an answer.

        Returns both.
        """
        return self._scheduler.drop(unwanted) + self.abort_running()

    def abort_running(self) -> list[AnyRequest]:
        """Remove the batch that ran. Returns its requests without an answer."""
        lost = list(self._running)
        self._running.clear()
        return lost

    def step(self) -> Iterator[CoreOutput | None]:
        """Run a batch. Yields outputs as they are ready, and None between calls of the model."""
        batch = self._scheduler.next_batch()
        if batch is None:
            return
        self._running = dict.fromkeys(batch.requests)
        for output in self._run(batch):
            if output:
                self._running.pop(output[0], None)
            yield output

    def _run(self, batch: Batch[AnyRequest]) -> Iterator[CoreOutput | None]:
        self.counts.prefill_tokens += sum(request.length for request in batch.requests)
        choices = [request for request in batch.requests if isinstance(request, ChoiceRequest)]
        if choices:
            self.counts.calls += 1
            logits = self.model.read([request.prompt for request in choices])
            for request, row in zip(choices, logits, strict=True):
                yield request, choice_among(row, request.option_ids)
        scores = [request for request in batch.requests if isinstance(request, ScoreRequest)]
        if scores:
            self.counts.calls += 1
            texts, targets = zip(*((each.prefilled, each.target) for each in scores), strict=True)
            for score, nats in zip(scores, self.model.score(texts, targets), strict=True):
                yield score, tuple(nats.tolist())
        generations = [
            request for request in batch.requests if isinstance(request, GenerationRequest)
        ]
        if generations:
            running = GenerationBatch(self.model, generations, self._limits.call_tokens)
            for output in running.run():
                self.counts.calls += output is None
                yield output
