"""Decides what each call of the model computes. No model, no thread, no clock.

Iteration-level scheduling as in Orca (OSDI 2022): a KV slot that becomes free is given to the next
request at the next step. A prompt is prefilled in chunks, in the calls that decode other sequences
(Sarathi, OSDI 2024), so that a long prompt does not delay them and the weights are read once for
both. Ratings and scores are only prefilled.
"""

from dataclasses import dataclass

from models.engine.kv_slots import KVSlots
from models.engine.model_runner import Prefill
from models.engine.request_queue import RequestQueue
from models.engine.requests import RequestKind
from models.engine.sequence import RunningSequence


@dataclass(frozen=True, slots=True)
class SchedulerOutput:
    """What one call of the model computes."""

    prefilling: tuple[RunningSequence, Prefill] | None
    """The sequence that is prefilling, and the chunk of its prompt."""
    decoding: tuple[RunningSequence, ...]
    """The sequences that decode a token, by slot."""
    ends_step: bool = True
    """Whether this is the last call of the step."""

    @property
    def chunk(self) -> Prefill | None:
        """The chunk of a prompt to compute."""
        return self.prefilling[1] if self.prefilling else None

    @property
    def sequences(self) -> tuple[RunningSequence, ...]:
        """The sequences that take part."""
        return (*self.decoding, *([self.prefilling[0]] if self.prefilling else []))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to compute."""
        return self.prefilling is None and not self.decoding

    def halves(self) -> tuple["SchedulerOutput", ...]:
        """The decodes and the prefill as calls of their own; empty where there is only one."""
        if self.prefilling is None or not self.decoding:
            return ()
        return SchedulerOutput(None, self.decoding), SchedulerOutput(self.prefilling, ())


class Scheduler:
    """Chooses from the queue, as far as there are KV slots."""

    def __init__(self, queue: RequestQueue, slots: KVSlots) -> None:
        self._queue = queue
        self._slots = slots

    def schedule(self, token_budget: int) -> SchedulerOutput:
        """The next call of a step that has ``token_budget`` prompt tokens left.

        A request is admitted where a slot is free. The last call of a step decodes; the calls
        before it prefill short prompts, of which several fit into the budget.
        """
        slots = self._slots
        if slots.can_allocate:
            self._admit()
        sequence = slots.prefilling
        if sequence is None:
            return SchedulerOutput(None, tuple(slots.decoding))
        chunk = sequence.next_chunk(token_budget)
        if chunk.ends and len(chunk.tokens) < token_budget and self._another_may_follow():
            return SchedulerOutput((sequence, chunk), (), ends_step=False)
        return SchedulerOutput((sequence, chunk), tuple(slots.decoding))

    def _admit(self) -> None:
        request = self._queue.pop(generations=self._may_generate())
        if request is not None:
            self._slots.allocate(RunningSequence.of(request))

    def _another_may_follow(self) -> bool:
        """Whether another request can be admitted once the present prefill has ended."""
        return self._queue.has(RequestKind.PREFILL) or (
            self._queue.has(RequestKind.GENERATION) and self._may_generate()
        )

    def _may_generate(self) -> bool:
        """Whether a slot may go to a generation. One is kept for what does not decode."""
        generations = sum(sequence.decodes for sequence in self._slots.running)
        return generations < max(1, self._slots.active - 1)
