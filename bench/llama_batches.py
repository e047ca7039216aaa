"""Continuous batching over llama.cpp's C interface, for ``bench/contestants.py``.

llama-cpp-python's own ``Llama`` computes one text at a time. This class computes the sequences of
many requests in one call, as llama.cpp's server does: each step decodes a token of every request
that has its prompt, and the rest of the step's budget goes to prompts. A request that begins as an
earlier one did takes that one's keys and values.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

_KEPT = 32
"""Sequences that are kept as a prefix cache, like our engine's."""
_CELLS = 1536
"""Tokens that there is room for, for each sequence."""
_SHORTEST_PREFIX = 16


@dataclass(eq=False)
class Request:
    """A prompt, and how many tokens to generate after it."""

    ids: list[int]
    """Prompt and generated tokens."""
    tokens: int
    computed: int = 0
    """Tokens of ``ids`` whose keys and values are there."""
    sequence: int = -1
    generated: int = 0

    @property
    def ended(self) -> bool:
        """Whether all its tokens are generated."""
        return self.generated == self.tokens


@dataclass
class Batches:
    """A model in llama.cpp, and the requests that it computes. Greedy."""

    file: Path
    threads: int
    rows: int
    """Requests that are computed at once."""
    budget: int
    """Tokens of a step."""
    _waiting: list[Request] = field(default_factory=list)
    _running: list[Request] = field(default_factory=list)
    _kept: list[Request] = field(default_factory=list)
    """Ended requests whose keys and values are still there, the oldest first."""

    def __post_init__(self) -> None:
        llama_cpp.llama_backend_init()
        self._model = llama_cpp.llama_model_load_from_file(
            str(self.file).encode(), llama_cpp.llama_model_default_params()
        )
        sequences = self.rows + _KEPT
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = _CELLS * sequences
        settings.n_batch = settings.n_ubatch = self.budget
        settings.n_seq_max = sequences
        settings.n_threads = settings.n_threads_batch = self.threads
        settings.kv_unified = True
        settings.no_perf = True
        self._context: Any = llama_cpp.llama_init_from_model(self._model, settings)
        self._memory = llama_cpp.llama_get_memory(self._context)
        vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self._vocabulary = llama_cpp.llama_vocab_n_tokens(vocabulary)
        self._batch = llama_cpp.llama_batch_init(self.budget, 0, 1)
        self._free = list(range(sequences))

    def add(self, number: int, ids: Sequence[int], tokens: int) -> Request:
        """Queue a request; its number does not matter."""
        request = Request(list(ids), tokens)
        self._waiting.append(request)
        return request

    def step(self) -> None:
        """Compute one batch."""
        while self._waiting and len(self._running) < self.rows:
            self._start(self._waiting.pop(0))
        room = self.budget
        batch, wanted = self._batch, []
        batch.n_tokens = 0
        # Those that decode have one token left to compute, and come first.
        for request in sorted(self._running, key=lambda each: len(each.ids) - each.computed):
            part = request.ids[request.computed : request.computed + room]
            for token in part:
                self._append(token, request)
            room -= len(part)
            if part and request.computed == len(request.ids):
                batch.logits[batch.n_tokens - 1] = 1
                wanted.append((batch.n_tokens - 1, request))
        if code := llama_cpp.llama_decode(self._context, batch):
            raise RuntimeError(f"llama_decode returned {code}")
        for index, request in wanted:
            row = llama_cpp.llama_get_logits_ith(self._context, index)
            logits = np.ctypeslib.as_array(row, shape=(self._vocabulary,))
            request.ids.append(int(logits.argmax()))
            request.generated += 1
            if request.ended:
                self._running.remove(request)
                self._kept.append(request)

    def _append(self, token: int, request: Request) -> None:
        batch, at = self._batch, self._batch.n_tokens
        batch.token[at] = token
        batch.pos[at] = request.computed
        batch.n_seq_id[at] = 1
        batch.seq_id[at][0] = request.sequence
        batch.logits[at] = 0
        batch.n_tokens = at + 1
        request.computed += 1

    def _start(self, request: Request) -> None:
        """Give a request a sequence, with the longest prefix that another one has computed."""
        known = [*self._kept, *self._running]
        shared = [_common(each.ids[: each.computed], request.ids) for each in known]
        best = max(range(len(known)), key=shared.__getitem__, default=None)
        if not self._free:
            self._drop(next(each for each in self._kept if best is None or each is not known[best]))
        request.sequence = self._free.pop()
        if best is not None and shared[best] >= _SHORTEST_PREFIX:
            llama_cpp.llama_memory_seq_cp(
                self._memory, known[best].sequence, request.sequence, 0, shared[best]
            )
            request.computed = shared[best]
        self._running.append(request)

    def _drop(self, request: Request) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory, request.sequence, -1, -1)
        self._kept.remove(request)
        self._free.append(request.sequence)


def instructions() -> str:
    """The instructions that llama.cpp was compiled for, as it names them."""
    return llama_cpp.llama_print_system_info().decode().strip(" |")


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Length of the prefix that both have; less than all of ``other``."""
    length = min(len(one), len(other) - 1)
    a, b = np.array(one[:length]), np.array(other[:length])
    differing = np.flatnonzero(a != b)
    return int(differing[0]) if len(differing) else length
