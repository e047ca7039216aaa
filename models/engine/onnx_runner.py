"""Runs the engine's own graph (``models/export/graph/decoder.py``) over KV slots.

Slots may differ in length. One call appends a chunk of any size to one slot, and decodes a token in
each of the first slots.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.engine.context_window import context_window_of
from models.engine.cuda_copies import CudaCopies
from models.engine.device import open_session
from models.engine.kv_memory import KVLayout, KVMemory, Number
from models.engine.model_runner import Decode, Prefill
from models.engine.sampling import Logits, Nats
from models.engine.shortlist import SHORTLIST_FILE, Shortlister
from models.engine.subnormals import subnormals_as_zero
from models.precision import Precision
from schemas.errors import EngineError, ModelError

_CHUNK = 512
"""Tokens of one call where no scheduler divides a prompt into chunks."""
_TYPES: dict[str, Number] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int8)": np.int8,
}


class OnnxModelRunner:
    """A ModelRunner in onnxruntime. All methods are called by one thread.

    Allocates one scratch slot beyond ``slots``, because GroupQueryAttention crashes on an empty
    batch. It stands in where a call has no prefill, and where it has no decodes. On a GPU neither a
    prefill nor what is wanted of it is empty, because RotaryEmbedding fails there on no tokens.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        device: str,
        context_window: int,
        slots: int,
        shortlister: Shortlister | None = None,
    ) -> None:
        """``shortlister`` samples from logits on the device; without it they come to the host."""
        self._session = session
        self._shortlister = shortlister
        self.device = device
        self.context_window = context_window
        self.slots = slots
        logits = {node.name: node for node in session.get_outputs()}["logits"]
        self.vocabulary, self._logits_type = int(logits.shape[-1]), _TYPES[logits.type]
        self._memory = KVMemory(_layout_of(session), slots + 1, device, context_window)
        self._cuda = CudaCopies() if device == "cuda" else None
        self._bindings: dict[tuple[int, tuple[int, int]], onnxruntime.IOBinding] = {}

    @classmethod
    def load(
        cls,
        file: Path,
        *,
        device: str,
        threads: int | None,
        slots: int,
        memory_gb: float | None = None,
    ) -> "OnnxModelRunner":
        """Open a graph and the ``config.json`` beside it.

        Raises ModelError where one is missing or unusable.
        """
        window = context_window_of(file.with_name("config.json"))
        session = open_session(file, device, threads, memory_gb)
        if "targets" not in {node.name for node in session.get_inputs()}:
            raise ModelError(
                f"{file} was exported by an earlier version: export the model again, or have "
                "the trainer make another release"
            )
        shortlist = file.with_name(SHORTLIST_FILE)
        on_device = device != "cpu" and file.name == Precision.FP16.file and shortlist.is_file()
        shortlister = Shortlister.load(shortlist, device, memory_gb) if on_device else None
        return cls(session, device, window, slots, shortlister)

    def sharing_weights(self) -> "OnnxModelRunner":
        """Another runner with slots of its own, for another thread.

        A session may compute in several threads at once.
        """
        return OnnxModelRunner(
            self._session, self.device, self.context_window, self.slots, self._shortlister
        )

    def prefill(self, slot: int, tokens: Sequence[int], past: int) -> Logits:
        """Append tokens to a slot that holds ``past`` tokens.

        Returns the logits after the last, float32 [vocabulary]. Raises EngineError where the
        computation fails.
        """
        for chunk in _chunks(slot, tokens, past):
            logits, _ = self._compute(chunk, chunk.wanted, [], "cpu")
        return self._on_host(logits)[0]

    def prefill_logits(self, slot: int, tokens: Sequence[int], past: int) -> Logits:
        """Append tokens to a slot that holds ``past`` tokens.

        Returns the logits after each, float32 [tokens, vocabulary]. Raises EngineError where the
        computation fails.
        """
        computed = (
            self._compute(chunk, range(len(chunk.tokens)), [], "cpu")
            for chunk in _chunks(slot, tokens, past)
        )
        # The last logits of each call are those of the scratch slot.
        return np.concatenate([self._on_host(logits)[:-1] for logits, _ in computed])

    def run(
        self, prefill: Prefill | None, decodes: Sequence[Decode]
    ) -> tuple[Logits | Nats | None, list[int]]:
        """See ModelRunner."""
        targets = prefill.targets if prefill is not None else ()
        wanted = prefill.wanted if prefill is not None else ()
        samplers = [decode.sampler for decode in decodes]
        if self._shortlister is not None and decodes:
            logits, nats = self._compute(prefill, wanted, decodes, self.device)
            first = self._first_on_host(logits) if len(wanted) > len(targets) else None
            before = [None] * (logits.shape()[0] - len(decodes))
            tokens = self._shortlister.choose(logits, [*before, *samplers])[len(before) :]
        else:
            logits, nats = self._compute(prefill, wanted, decodes, "cpu")
            rows = self._on_host(logits)
            first = rows[0] if len(wanted) > len(targets) else None
            rows = rows[len(rows) - len(decodes) :]
            tokens = [sampler.choose(row) for sampler, row in zip(samplers, rows, strict=True)]
        return nats if targets else first, tokens

    def copy(self, source: int, target: int, length: int) -> None:
        """See ModelRunner."""
        self._memory.copy(source, target, length)

    def _first_on_host(self, logits: onnxruntime.OrtValue) -> Logits:
        """The first row alone, as float32. Raises EngineError where it is not finite."""
        if self._cuda is None:
            return self._on_host(logits)[0]
        row = np.empty(self.vocabulary, self._logits_type)
        self._cuda.to_host(logits.data_ptr(), row)
        return _finite(row.astype(np.float32, copy=False))

    def _on_host(self, value: onnxruntime.OrtValue) -> Logits:
        """Logits as float32. Raises EngineError where they are not finite."""
        logits = value.numpy().astype(np.float32, copy=False)
        _finite(logits.max(axis=-1))
        return logits

    def _compute(
        self,
        prefill: Prefill | None,
        wanted: Sequence[int],
        decodes: Sequence[Decode],
        logits_device: str,
    ) -> tuple[onnxruntime.OrtValue, Nats]:
        """Call the graph once.

        Returns logits [wanted - targets + decodes, vocabulary]: those after the prefill's
        ``wanted`` tokens, without the first ones, which its targets follow, then one for each
        decode, or for the scratch slot where there is none. And the nats of the targets. On a GPU
        one row stands first where nothing is wanted.
        """
        scratch = self.slots
        on_gpu = self.device != "cpu"
        chunk = prefill or Prefill(scratch, (0,) if on_gpu else (), 0)
        wanted = wanted if len(wanted) or not on_gpu else [0]
        lengths = [decode.length for decode in decodes]
        self._reserve(
            [chunk.slot, *range(len(decodes))],
            [chunk.past + len(chunk.tokens), *(length + 1 for length in lengths)],
        )
        totals = np.array(lengths or [0], np.int32)
        tokens = [*chunk.tokens, *([decode.token for decode in decodes] or [0])]
        decoding = (0, len(decodes)) if decodes else (scratch, scratch + 1)
        binding = self._binding(chunk.slot, decoding)
        try:
            shape = (len(wanted) - len(chunk.targets) + len(totals), self.vocabulary)
            logits = onnxruntime.OrtValue.ortvalue_from_shape_and_type(
                shape, self._logits_type, logits_device, 0
            )
            nats = onnxruntime.OrtValue.ortvalue_from_shape_and_type(
                (len(chunk.targets),), np.float32, "cpu", 0
            )
            binding.bind_cpu_input("input_ids", np.array(tokens, np.int64))
            binding.bind_cpu_input("parts", np.array([len(chunk.tokens), len(totals)], np.int64))
            binding.bind_cpu_input("past", np.array([chunk.past], np.int64))
            binding.bind_cpu_input("wanted", np.array(wanted, np.int64))
            binding.bind_cpu_input("targets", np.array(chunk.targets, np.int64))
            binding.bind_cpu_input("seqlens_k", totals)
            binding.bind_cpu_input("total_sequence_length", np.array(totals.max() + 1, np.int32))
            binding.bind_ortvalue_output("logits", logits)
            binding.bind_ortvalue_output("nats", nats)
            with subnormals_as_zero():
                self._session.run_with_iobinding(binding)
        except Exception as error:  # onnxruntime has many error classes and no other common base
            raise EngineError(
                f"onnxruntime failed on a prefill of {len(chunk.tokens)} tokens and "
                f"{len(decodes)} decodes: {error}"
            ) from error
        return logits, _finite(nats.numpy())

    def _reserve(self, slots: Sequence[int], lengths: Sequence[int]) -> None:
        if self._memory.reserve(slots, lengths):
            self._bindings.clear()

    def _binding(self, slot: int, decoding: tuple[int, int]) -> onnxruntime.IOBinding:
        """A binding of the memory of a prefill slot, and of a range of slots that decode.

        Bindings are kept, because making one is most of a call's overhead.
        """
        found = self._bindings.get((slot, decoding))
        if found is None:
            found = self._session.io_binding()
            for past, present, slots in (
                ("past", "present", decoding),
                ("reading", "read", (slot, slot + 1)),  # the graph's names for the prefill slot
            ):
                for name, placement in self._memory.placements(*slots):
                    found.bind_input(f"{past}_{name}", *placement)
                    found.bind_output(f"{present}_{name}", *placement)
            self._bindings[slot, decoding] = found
        return found


def _finite(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The values. Raises EngineError where one is not finite."""
    if not np.isfinite(values).all():
        raise EngineError(
            "the model's logits are not finite: its weights are broken, or its precision is too low"
        )
    return values


def _layout_of(session: onnxruntime.InferenceSession) -> KVLayout:
    inputs = {node.name: node for node in session.get_inputs()}
    names = [name.removeprefix("past_") for name in inputs if name.startswith("past_")]
    node: Any = inputs[f"past_{names[0]}"]
    return KVLayout(names, int(node.shape[1]), int(node.shape[3]), _TYPES[node.type])


def _chunks(slot: int, tokens: Sequence[int], past: int) -> list[Prefill]:
    """A prompt in chunks. Attention scores of a chunk are a matrix of its tokens by all before."""
    starts = range(0, len(tokens), _CHUNK)
    return [
        Prefill(slot, tokens[at : at + _CHUNK], past + at, ends=at == starts[-1]) for at in starts
    ]
