"""A tiny random Llama, exported with optimum, and a runner that fails or waits on demand."""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")  # must precede torch

import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging as transformers_logging

from models.engine import Engine
from models.engine.core import EngineCore
from models.engine.replica import Replica
from models.engine.sampling import Logits, Nats
from models.engine.static.batch_runner import OnnxBatchRunner, PaddedCache
from schemas.errors import EngineError

VOCABULARY = 64
CONTEXT = 96


def engine_of(core: EngineCore, requests: int = 1024, **options: Any) -> Engine:
    """An engine with one replica, of ``core``."""
    return Engine([Replica(core, requests, **options)])


@dataclass(frozen=True)
class TinyModel:
    """The same weights as a torch model and as a directory for the engine."""

    torch_model: LlamaForCausalLM
    directory: Path

    def greedy(self, prompt: Sequence[int], tokens: int) -> tuple[int, ...]:
        """What transformers generates for one prompt, with no stop token."""
        ids = torch.tensor([list(prompt)])
        made = self.torch_model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=tokens,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
        return tuple(made[0, len(prompt) :].tolist())

    def next_probabilities(self, prompt: Sequence[int]) -> list[float]:
        """Probabilities of the token after the prompt."""
        with torch.no_grad():
            logits = self.torch_model(torch.tensor([list(prompt)])).logits[0, -1]
        return logits.double().softmax(-1).tolist()

    def nats(self, prompt: Sequence[int], target: Sequence[int]) -> list[float]:
        """Negative log-probabilities of the tokens of a target after the prompt."""
        with torch.no_grad():
            logits = self.torch_model(torch.tensor([[*prompt, *target]])).logits[0]
        chosen = logits[len(prompt) - 1 : -1].double().log_softmax(-1)
        return (-chosen[range(len(target)), list(target)]).tolist()


def make_tiny_model(directory: Path) -> TinyModel:
    """Two layers, width 32, four heads of which two have keys and values."""
    from optimum.exporters.onnx import main_export

    torch.manual_seed(7)
    torch.set_num_threads(1)
    transformers_logging.set_verbosity_error()
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        initializer_range=0.3,  # large, so that the most probable token is clear of the next one
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config).eval()
    source, exported = directory / "source", directory / "exported"
    model.save_pretrained(source)
    main_export(str(source), exported, task="text-generation-with-past", do_validation=False)
    return TinyModel(model, exported)


def open_tiny(model: TinyModel) -> OnnxBatchRunner:
    """The model as a BatchRunner with one thread on the CPU."""
    return OnnxBatchRunner.load(model.directory, device="cpu", threads=1)


@dataclass
class CuedRunner:
    """A real runner that fails or waits on demand, and records its calls."""

    session: OnnxBatchRunner
    calls: list[tuple[str, int]] = field(default_factory=list)
    """Method and number of rows of each call."""
    failures: list[BaseException | None] = field(default_factory=list)
    """Raised, first to last, by the next calls; a call with None succeeds."""
    gate: threading.Event = field(default_factory=threading.Event)
    """Every call waits for it."""
    called: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released at the start of every call, before the gate."""

    def __post_init__(self) -> None:
        self.gate.set()
        self.device = self.session.device
        self.context_window = self.session.context_window
        self.vocabulary = self.session.vocabulary
        self.most_tokens = self.session.most_tokens

    def read(self, prompts: Sequence[Sequence[int]]) -> Logits:
        self._cue("read", len(prompts))
        return self.session.read(prompts)

    def score(self, texts: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[Nats]:
        self._cue("score", len(texts))
        return self.session.score(texts, targets)

    def start(self, prompts: Sequence[Sequence[int]]) -> tuple[PaddedCache, Logits]:
        self._cue("start", len(prompts))
        return self.session.start(prompts)

    def step(self, cache: PaddedCache, tokens: Sequence[int]) -> Logits:
        self._cue("step", len(tokens))
        return self.session.step(cache, tokens)

    def join(self, caches: Sequence[PaddedCache]) -> PaddedCache:
        self.calls.append(("join", len(caches)))
        return self.session.join(caches)

    def keep(self, cache: PaddedCache, rows: Sequence[int]) -> None:
        self.calls.append(("keep", len(rows)))
        self.session.keep(cache, rows)

    def _cue(self, method: str, rows: int) -> None:
        self.calls.append((method, rows))
        self.called.release()
        if not self.gate.wait(30):
            raise EngineError("the test never opened the gate")
        if self.failures and (failure := self.failures.pop(0)):
            raise failure
