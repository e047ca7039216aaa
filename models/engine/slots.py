"""Rows of keys and values in memory of fixed capacity, over the engine's own graph (``models/graph.py``).

Each sequence has a row. The graph appends to it in place, so a step costs what it computes and no copy. Rows may differ
in length. Decoding runs over the first rows together; a prompt is read into one row, in chunks of any size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.engine.device import open_session
from models.engine.sampling import Logits
from models.engine.session import context_window_of
from schemas.errors import EngineError

DECODER_FILE = "decoder.onnx"
_FIRST_CAPACITY = 512
_TYPES: dict[str, type[np.floating[Any]]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


@dataclass(slots=True)
class _Tensor:
    """One cache tensor, [rows, heads, capacity, head size]: ``owner`` keeps the memory at ``address``."""

    name: str
    owner: NDArray[Any] | onnxruntime.OrtValue
    address: int


class SlotSession:
    """The rows, and the computations over them. All methods belong to one thread."""

    def __init__(self, session: onnxruntime.InferenceSession, device: str, context_window: int, rows: int) -> None:
        self._session = session
        self.device = device
        self.context_window = context_window
        self.rows = rows
        inputs = {node.name: node for node in session.get_inputs()}
        self.vocabulary = int({node.name: node for node in session.get_outputs()}["logits"].shape[-1])
        self._names = [name.removeprefix("past_") for name in inputs if name.startswith("past_")]
        form = inputs[f"past_{self._names[0]}"]
        self._heads, self._size, self._type = int(form.shape[1]), int(form.shape[3]), _TYPES[form.type]
        self._capacity = 0
        self._tensors: list[_Tensor] = []
        self._bindings: dict[tuple[int, int], onnxruntime.IOBinding] = {}
        # A device's rows are not copied into larger ones, so they have their last size from the start.
        self._grow(min(_FIRST_CAPACITY, context_window) if device == "cpu" else context_window)

    @classmethod
    def load(cls, directory: Path, *, device: str, threads: int | None, rows: int) -> "SlotSession":
        """Open ``decoder.onnx`` and ``config.json`` of a directory. Raises ModelError where one is missing or unusable."""
        window = context_window_of(directory / "config.json")
        session, device = open_session(directory / DECODER_FILE, device, threads)
        return cls(session, device, window, rows)

    def read(self, row: int, tokens: Sequence[int], past: int) -> Logits:
        """Append tokens to a row that holds ``past`` of them; logits after the last, float32 [vocabulary].

        Raises EngineError where the computation fails.
        """
        self._reach(past + len(tokens))
        ids = np.array(tokens, np.int64)[None]
        return self._run(row, row + 1, ids, [past + len(tokens)], [len(tokens) - 1])[0]

    def step(self, tokens: Sequence[int], lengths: Sequence[int]) -> Logits:
        """Append one token to each of the first rows, which hold ``lengths``; logits, float32 [rows, vocabulary].

        Raises EngineError where the computation fails.
        """
        self._reach(max(lengths) + 1)
        ids = np.array(tokens, np.int64)[:, None]
        return self._run(0, len(tokens), ids, [length + 1 for length in lengths], range(len(tokens)))

    def copy(self, source: int, target: int, length: int) -> None:
        """Have a row begin with the first ``length`` tokens of another."""
        for tensor in self._tensors:
            array = self._array(tensor)
            array[target, :, :length] = array[source, :, :length]

    @property
    def copies(self) -> bool:
        """Whether ``copy`` works here: on the CPU."""
        return self.device == "cpu"

    def _run(self, first: int, last: int, ids: NDArray[np.int64], totals: Sequence[int], wanted: Sequence[int]) -> Logits:
        binding = self._binding(first, last)
        try:
            binding.bind_cpu_input("input_ids", ids)
            binding.bind_cpu_input("seqlens_k", np.array(totals, np.int32) - 1)
            binding.bind_cpu_input("total_sequence_length", np.array(max(totals), np.int32))
            binding.bind_cpu_input("rows", np.array(wanted, np.int64))
            self._session.run_with_iobinding(binding)
            logits = binding.get_outputs()[0].numpy().astype(np.float32, copy=False)
        except Exception as error:  # the library has a dozen classes and no common base but this
            raise EngineError(f"onnxruntime failed on {ids.shape[0]} x {ids.shape[1]} tokens: {error}") from error
        if not np.isfinite(logits.max(axis=-1)).all():
            raise EngineError("the model's logits are not finite: its weights are broken, or its precision is too low")
        return logits

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

    def _reach(self, length: int) -> None:
        if length > self._capacity:
            self._grow(min(self.context_window, max(length, 2 * self._capacity)))

    def _grow(self, capacity: int) -> None:
        """Room for longer sequences in every row. On the CPU memory is only taken as it is written to."""
        form = (self.rows, self._heads, capacity, self._size)
        before, old = {tensor.name: tensor for tensor in self._tensors}, self._capacity
        try:
            if self.device == "cpu":
                self._tensors = [_on_cpu(name, form, self._type) for name in self._names]
                for tensor in self._tensors if before else ():
                    self._array(tensor)[:, :, :old] = self._array(before[tensor.name])
            else:
                self._tensors = [_on_device(name, form, self._type, self.device) for name in self._names]
        except (MemoryError, RuntimeError) as error:
            raise EngineError(f"no memory for {self.rows} rows of {capacity:,} tokens: {error}") from error
        self._capacity = capacity
        self._bindings.clear()

    def _array(self, tensor: _Tensor) -> NDArray[Any]:
        if not isinstance(tensor.owner, np.ndarray):
            raise EngineError(f"rows cannot be copied on {self.device}")
        return tensor.owner


def _on_cpu(name: str, form: tuple[int, ...], type_: type[np.floating[Any]]) -> _Tensor:
    array = np.zeros(form, type_)
    return _Tensor(name, array, array.ctypes.data)


def _on_device(name: str, form: tuple[int, ...], type_: type[np.floating[Any]], device: str) -> _Tensor:
    value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(form, type_, device, 0)
    return _Tensor(name, value, value.data_ptr())
