"""Rows of keys and values in memory of fixed capacity, over the engine's own graph (``models/graph.py``).

Each sequence has a row. The graph appends to it in place, so a step costs what it computes and no copy. Rows may differ
in length. Decoding runs over the first rows together; a prompt is read into one row, in chunks of any size.
"""

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.engine.device import open_session
from models.engine.sampling import Logits, Sampler
from models.engine.session import context_window_of
from models.engine.shortlist import SHORTLIST_FILE, Shortlister
from schemas.errors import EngineError

DECODER_FILE = "decoder.onnx"
INT8_FILE = "decoder.int8.onnx"
FP16_FILE = "decoder.fp16.onnx"
_FIRST_CAPACITY = 2048
_TYPES: dict[str, type[np.floating[Any]]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


@dataclass(slots=True)
class _Tensor:
    """One cache tensor, [rows, heads, capacity, head size]: ``owner`` keeps the memory at ``address``."""

    name: str
    owner: NDArray[Any] | onnxruntime.OrtValue
    address: int


class SlotSession:
    """The rows, and the computations over them. All methods belong to one thread."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        device: str,
        context_window: int,
        rows: int,
        shortlister: Shortlister | None = None,
    ) -> None:
        """``shortlister`` chooses the tokens of a step where the logits lie; without, they are brought to the host."""
        self._session = session
        self._shortlister = shortlister
        self.device = device
        self.context_window = context_window
        self.rows = rows
        inputs = {node.name: node for node in session.get_inputs()}
        self.vocabulary = int({node.name: node for node in session.get_outputs()}["logits"].shape[-1])
        self._names = [name.removeprefix("past_") for name in inputs if name.startswith("past_")]
        form = inputs[f"past_{self._names[0]}"]
        self._heads, self._size, self._type = int(form.shape[1]), int(form.shape[3]), _TYPES[form.type]
        self._capacity = 0
        self._reached = [0] * rows
        """The most tokens that each row has held: what a larger memory has to take over."""
        self._tensors: list[_Tensor] = []
        self._bindings: dict[tuple[int, int], onnxruntime.IOBinding] = {}
        # A device's rows are not copied into larger ones, so they have their last size from the start.
        self._grow(min(_FIRST_CAPACITY, context_window) if device == "cpu" else context_window)

    @classmethod
    def load(cls, file: Path, *, device: str, threads: int | None, rows: int, memory_gb: float | None = None) -> "SlotSession":
        """Open a graph and the ``config.json`` beside it. Raises ModelError where one is missing or unusable."""
        window = context_window_of(file.with_name("config.json"))
        session, device = open_session(file, device, threads, memory_gb)
        sifting = file.with_name(SHORTLIST_FILE)
        sifts = device != "cpu" and file.name == FP16_FILE and sifting.is_file()
        return cls(session, device, window, rows, Shortlister.load(sifting, device, memory_gb) if sifts else None)

    def another(self) -> "SlotSession":
        """As many rows again over the same weights, for another thread: a session may compute in several at once."""
        return SlotSession(self._session, self.device, self.context_window, self.rows, self._shortlister)

    def read(self, row: int, tokens: Sequence[int], past: int) -> Logits:
        """Append tokens to a row that holds ``past`` of them; logits after the last, float32 [vocabulary].

        Raises EngineError where the computation fails.
        """
        return self._read(row, tokens, past, [len(tokens) - 1])[0]

    def read_all(self, tokens: Sequence[int], past: int = 0) -> Logits:
        """Append tokens to the first row; logits after each, float32 [tokens, vocabulary]. Raises EngineError."""
        return self._read(0, tokens, past, range(len(tokens)))

    def _read(self, row: int, tokens: Sequence[int], past: int, wanted: Sequence[int]) -> Logits:
        self._reach([row], [past + len(tokens)])
        ids = np.array(tokens, np.int64)[None]
        return self._run(row, row + 1, ids, [past + len(tokens)], wanted)

    def step(self, tokens: Sequence[int], lengths: Sequence[int], samplers: Sequence[Sampler | None]) -> list[int]:
        """Append one token to each of the first rows, which hold ``lengths``; the next of each, 0 where it has no sampler.

        Raises EngineError where the computation fails.
        """
        totals = [length + 1 for length in lengths]
        self._reach(range(len(tokens)), totals)
        ids = np.array(tokens, np.int64)[:, None]
        if self._shortlister is not None:
            return self._shortlister.choose(self._compute(0, len(tokens), ids, totals, range(len(tokens)), self.device), samplers)
        logits = self._run(0, len(tokens), ids, totals, range(len(tokens)))
        return [0 if sampler is None else sampler.choose(row) for sampler, row in zip(samplers, logits, strict=True)]

    def copy(self, source: int, target: int, length: int) -> None:
        """Have a row begin with the first ``length`` tokens of another."""
        for tensor in self._tensors:
            array = self._array(tensor)
            array[target, :, :length] = array[source, :, :length]
        self._reached[target] = max(self._reached[target], length)

    @property
    def copies(self) -> bool:
        """Whether ``copy`` works here: on the CPU."""
        return self.device == "cpu"

    def _run(self, first: int, last: int, ids: NDArray[np.int64], totals: Sequence[int], wanted: Sequence[int]) -> Logits:
        logits = self._compute(first, last, ids, totals, wanted, "cpu").numpy().astype(np.float32, copy=False)
        if not np.isfinite(logits.max(axis=-1)).all():
            raise EngineError("the model's logits are not finite: its weights are broken, or its precision is too low")
        return logits

    def _compute(
        self, first: int, last: int, ids: NDArray[np.int64], totals: Sequence[int], wanted: Sequence[int], to: str
    ) -> onnxruntime.OrtValue:
        binding = self._binding(first, last)
        try:
            binding.bind_cpu_input("input_ids", ids)
            binding.bind_cpu_input("seqlens_k", np.array(totals, np.int32) - 1)
            binding.bind_cpu_input("total_sequence_length", np.array(max(totals), np.int32))
            binding.bind_cpu_input("rows", np.array(wanted, np.int64))
            binding.bind_output("logits", to)  # anew: the last call's is of its size
            self._session.run_with_iobinding(binding)
            return binding.get_outputs()[0]
        except Exception as error:  # the library has a dozen classes and no common base but this
            raise EngineError(f"onnxruntime failed on {ids.shape[0]} x {ids.shape[1]} tokens: {error}") from error

    def _binding(self, first: int, last: int) -> onnxruntime.IOBinding:
        """A binding of the rows' memory, made once: it is the larger part of a call's overhead."""
        found = self._bindings.get((first, last))
        if found is None:
            found = self._session.io_binding()
            found.bind_output("logits", "cpu")
            form = (last - first, self._heads, self._capacity, self._size)
            offset = first * self._heads * self._capacity * self._size * np.dtype(self._type).itemsize
            for tensor in self._tensors:
                place = (self.device, 0, self._type, form, tensor.address + offset)
                found.bind_input(f"past_{tensor.name}", *place)
                found.bind_output(f"present_{tensor.name}", *place)
            self._bindings[first, last] = found
        return found

    def _reach(self, rows: Sequence[int], totals: Sequence[int]) -> None:
        """Make sure that rows can hold so many tokens."""
        if max(totals) > self._capacity:
            self._grow(min(self.context_window, max(*totals, 2 * self._capacity)))
        for row, total in zip(rows, totals, strict=True):
            self._reached[row] = max(self._reached[row], total)

    def _grow(self, capacity: int) -> None:
        """Room for longer sequences in every row. On the CPU memory is only taken as it is written to."""
        form = (self.rows, self._heads, capacity, self._size)
        before = {tensor.name: tensor for tensor in self._tensors}
        try:
            if self.device == "cpu":
                self._tensors = [_on_cpu(name, form, self._type) for name in self._names]
                for tensor in self._tensors if before else ():
                    for row, length in enumerate(self._reached):
                        self._array(tensor)[row, :, :length] = self._array(before[tensor.name])[row, :, :length]
            else:
                self._tensors = [_on_device(name, form, self._type, self.device) for name in self._names]
        except (MemoryError, OSError, RuntimeError) as error:
            raise EngineError(f"no memory for {self.rows} rows of {capacity:,} tokens: {error}") from error
        self._capacity = capacity
        self._bindings.clear()

    def _array(self, tensor: _Tensor) -> NDArray[Any]:
        if not isinstance(tensor.owner, np.ndarray):
            raise EngineError(f"rows cannot be copied on {self.device}")
        return tensor.owner


def _on_cpu(name: str, form: tuple[int, ...], type_: type[np.floating[Any]]) -> _Tensor:
    # Not numpy's memory: it asks for huge pages, and a row of a few tokens would take 2 MB in each of its heads.
    memory = mmap.mmap(-1, int(np.prod(form)) * np.dtype(type_).itemsize)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    array = np.frombuffer(memory, type_).reshape(form)
    return _Tensor(name, array, array.ctypes.data)


def _on_device(name: str, form: tuple[int, ...], type_: type[np.floating[Any]], device: str) -> _Tensor:
    value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(form, type_, device, 0)
    return _Tensor(name, value, value.data_ptr())
