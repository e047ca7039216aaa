"""ModelRunner of keys and values in memory of fixed capacity, over the engine's own graph
(``models/export/graph/decoder.py``).

Each sequence has a row. The graph appends to it in place, so a step costs what it computes and no
copy. ModelRunner may differ in length. One call reads a part of any size into one row, and decodes a token
in each of the first rows.
"""

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.engine.context_window import context_window_of
from models.engine.device import open_session
from models.engine.model_runner import Decode, Prefill
from models.engine.sampling import Logits
from models.engine.shortlist import SHORTLIST_FILE, Shortlister
from schemas.errors import EngineError, ModelError

DECODER_FILE = "decoder.onnx"
INT8_FILE = "decoder.int8.onnx"
FP16_FILE = "decoder.fp16.onnx"
_FIRST_CAPACITY = 2048
_PART = 512
"""Tokens that are read in one call where no schedule cuts a prompt."""
_Number = type[np.floating[Any]] | type[np.int8]
_TYPES: dict[str, _Number] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int8)": np.int8,
}


@dataclass(slots=True)
class _Tensor:
    """One cache tensor, [rows, heads, capacity, head size]: ``owner`` keeps the memory at
    ``address``.
    """

    name: str
    owner: NDArray[Any] | onnxruntime.OrtValue
    address: int


class OnnxModelRunner:
    """The rows, and the computations over them: ``ModelRunner``. All methods belong to one thread.

    There is one row more than is told of. It stands in where nothing is read, and where nothing
    decodes: the graph's attention over rows that decode does not bear to have none.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        device: str,
        context_window: int,
        slots: int,
        shortlister: Shortlister | None = None,
    ) -> None:
        """``shortlister`` chooses the tokens of a step where the logits lie; without, they are
        brought to the host.
        """
        self._session = session
        self._shortlister = shortlister
        self.device = device
        self.context_window = context_window
        self.slots = slots
        inputs = {node.name: node for node in session.get_inputs()}
        logits = {node.name: node for node in session.get_outputs()}["logits"]
        self.vocabulary, self._logits_type = int(logits.shape[-1]), _TYPES[logits.type]
        self._names = [name.removeprefix("past_") for name in inputs if name.startswith("past_")]
        form = inputs[f"past_{self._names[0]}"]
        self._heads, self._size, self._type = (
            int(form.shape[1]),
            int(form.shape[3]),
            _TYPES[form.type],
        )
        self._capacity = 0
        self._reached = [0] * (slots + 1)
        """The most tokens that each row has held: what a larger memory has to take over."""
        self._tensors: list[_Tensor] = []
        self._bindings: dict[tuple[int, tuple[int, int]], onnxruntime.IOBinding] = {}
        # A device's rows are not copied into larger ones, so they have their last size from the
        # start.
        self._grow(min(_FIRST_CAPACITY, context_window) if device == "cpu" else context_window)

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
        """Open a graph and the ``config.json`` beside it. Raises ModelError where one is missing or
        unusable.
        """
        window = context_window_of(file.with_name("config.json"))
        session, device = open_session(file, device, threads, memory_gb)
        if "parts" not in {node.name for node in session.get_inputs()}:
            raise ModelError(
                f"{file} was exported by an earlier version: export the model again, or have "
                "the trainer make another release"
            )
        sifting = file.with_name(SHORTLIST_FILE)
        sifts = device != "cpu" and file.name == FP16_FILE and sifting.is_file()
        return cls(
            session,
            device,
            window,
            slots,
            Shortlister.load(sifting, device, memory_gb) if sifts else None,
        )

    def another(self) -> "OnnxModelRunner":
        """As many rows again over the same weights, for another thread: a session may compute in
        several at once.
        """
        return OnnxModelRunner(
            self._session, self.device, self.context_window, self.slots, self._shortlister
        )

    def prefill(self, row: int, tokens: Sequence[int], past: int) -> Logits:
        """Append tokens to a row that holds ``past`` of them; logits after the last, float32
        [vocabulary].

        Raises EngineError where the computation fails.
        """
        for part in _parts(row, tokens, past):
            logits = self._host(self._compute(part, part.wanted, [], "cpu"))
        return logits[0]

    def prefill_logits(self, row: int, tokens: Sequence[int], past: int) -> Logits:
        """Append tokens to a row that holds ``past`` of them; logits after each, float32
        [tokens, vocabulary].

        Raises EngineError where the computation fails.
        """
        computed = (
            self._compute(part, range(len(part.tokens)), [], "cpu")
            for part in _parts(row, tokens, past)
        )
        return np.concatenate(
            [self._host(logits)[:-1] for logits in computed]
        )  # the last is of the row that stands in

    def run(
        self, prefill: Prefill | None, decodes: Sequence[Decode]
    ) -> tuple[Logits | None, list[int]]:
        """See ModelRunner."""
        wanted = prefill.wanted if prefill is not None else []
        if self._shortlister is not None and not wanted:
            logits = self._compute(prefill, wanted, decodes, self.device)
            return None, self._shortlister.choose(
                logits, [each.sampler for each in decodes] or [None]
            )[: len(decodes)]
        rows = self._host(self._compute(prefill, wanted, decodes, "cpu"))
        chosen = [
            each.sampler.choose(row)
            for each, row in zip(decodes, rows[len(wanted) :], strict=False)
        ]
        return (rows[0] if wanted else None), chosen

    def copy(self, source: int, target: int, length: int) -> None:
        """See ModelRunner. On a device the whole row is copied, by way of the host: onnxruntime knows no
        shorter one.
        """
        if self.device == "cpu":
            for tensor in self._tensors:
                assert isinstance(tensor.owner, np.ndarray)
                tensor.owner[target, :, :length] = tensor.owner[source, :, :length]
        else:
            self._copy_whole(source, target)
        self._reached[target] = max(self._reached[target], length)

    def _copy_whole(self, source: int, target: int) -> None:
        for of_source, of_target in zip(self._row(source), self._row(target), strict=True):
            of_target.update_inplace(of_source.numpy())

    def _row(self, row: int) -> list[onnxruntime.OrtValue]:
        """A row's part of each tensor, in place."""
        binding = self._session.io_binding()
        for tensor in self._tensors:
            binding.bind_output(f"read_{tensor.name}", *self._place(tensor, row, row + 1))
        return binding.get_outputs()

    def _host(self, value: onnxruntime.OrtValue) -> Logits:
        logits = value.numpy().astype(np.float32, copy=False)
        if not np.isfinite(logits.max(axis=-1)).all():
            raise EngineError(
                "the model's logits are not finite: its weights are broken, or its precision "
                "is too low"
            )
        return logits

    def _compute(
        self, prefill: Prefill | None, wanted: Sequence[int], decodes: Sequence[Decode], to: str
    ) -> onnxruntime.OrtValue:
        """Logits of what is wanted of the reading, then of each row that decodes, or of the one
        that stands in.
        """
        spare = self.slots
        read = prefill or Prefill(spare, (), 0)
        lengths = [each.length for each in decodes]
        self._reach(
            [read.slot, *range(len(decodes))],
            [read.past + len(read.tokens), *(length + 1 for length in lengths)],
        )
        totals = np.array(lengths or [0], np.int32)
        tokens = [*read.tokens, *([each.token for each in decodes] or [0])]
        binding = self._binding(read.slot, (0, len(decodes)) if decodes else (spare, spare + 1))
        try:
            form = (len(wanted) + len(totals), self.vocabulary)
            logits = onnxruntime.OrtValue.ortvalue_from_shape_and_type(
                form, self._logits_type, to, 0
            )
            binding.bind_cpu_input("input_ids", np.array(tokens, np.int64))
            binding.bind_cpu_input("parts", np.array([len(read.tokens), len(totals)], np.int64))
            binding.bind_cpu_input("past", np.array([read.past], np.int64))
            binding.bind_cpu_input("wanted", np.array(wanted, np.int64))
            binding.bind_cpu_input("seqlens_k", totals)
            binding.bind_cpu_input("total_sequence_length", np.array(totals.max() + 1, np.int32))
            binding.bind_ortvalue_output("logits", logits)
            self._session.run_with_iobinding(binding)
            return logits
        except Exception as error:  # the library has a dozen classes and no common base but this
            raise EngineError(
                f"onnxruntime failed on {len(read.tokens)} tokens of a prompt and "
                f"{len(decodes)} rows: {error}"
            ) from error

    def _binding(self, row: int, decoding: tuple[int, int]) -> onnxruntime.IOBinding:
        """A binding of the rows' memory, made once: it is the larger part of a call's overhead."""
        found = self._bindings.get((row, decoding))
        if found is None:
            found = self._session.io_binding()
            for tensor in self._tensors:
                for past, present, rows in (
                    ("past", "present", decoding),
                    ("reading", "read", (row, row + 1)),
                ):
                    place = self._place(tensor, *rows)
                    found.bind_input(f"{past}_{tensor.name}", *place)
                    found.bind_output(f"{present}_{tensor.name}", *place)
            self._bindings[row, decoding] = found
        return found

    def _place(self, tensor: _Tensor, first: int, last: int) -> tuple[Any, ...]:
        """Where some rows of a tensor lie: device, its number, type, shape and address."""
        form = (last - first, self._heads, self._capacity, self._size)
        offset = first * self._heads * self._capacity * self._size * np.dtype(self._type).itemsize
        return (self.device, 0, self._type, form, tensor.address + offset)

    def _reach(self, rows: Sequence[int], totals: Sequence[int]) -> None:
        """Make sure that rows can hold so many tokens."""
        if max(totals) > self._capacity:
            self._grow(min(self.context_window, max(*totals, 2 * self._capacity)))
        for row, total in zip(rows, totals, strict=True):
            self._reached[row] = max(self._reached[row], total)

    def _grow(self, capacity: int) -> None:
        """Room for longer sequences in every row. On the CPU memory is only taken as it is written
        to.
        """
        form = (self.slots + 1, self._heads, capacity, self._size)
        before = {tensor.name: tensor for tensor in self._tensors}
        try:
            if self.device == "cpu":
                self._tensors = [_on_cpu(name, form, self._type) for name in self._names]
                for tensor in self._tensors if before else ():
                    for row, length in enumerate(self._reached):
                        tensor.owner[row, :, :length] = before[tensor.name].owner[row, :, :length]  # type: ignore[index]
            else:
                self._tensors = [
                    _on_device(name, form, self._type, self.device) for name in self._names
                ]
        except (MemoryError, OSError, RuntimeError) as error:
            raise EngineError(
                f"no memory for {self.slots} rows of {capacity:,} tokens: {error}"
            ) from error
        self._capacity = capacity
        self._bindings.clear()


def _parts(row: int, tokens: Sequence[int], past: int) -> list[Prefill]:
    """A prompt that no schedule cuts: what a part attends to is a matrix of its tokens by all
    before.
    """
    starts = range(0, len(tokens), _PART)
    return [
        Prefill(row, tokens[at : at + _PART], past + at, ends=at == starts[-1]) for at in starts
    ]


def _on_cpu(name: str, form: tuple[int, ...], type_: _Number) -> _Tensor:
    # Not numpy's memory: it asks for huge pages, and a row of a few tokens would take 2 MB in each
    # of its heads.
    memory = mmap.mmap(-1, int(np.prod(form)) * np.dtype(type_).itemsize)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    array = np.frombuffer(memory, type_).reshape(form)
    return _Tensor(name, array, array.ctypes.data)


def _on_device(name: str, form: tuple[int, ...], type_: _Number, device: str) -> _Tensor:
    value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(form, type_, device, 0)
    return _Tensor(name, value, value.data_ptr())
