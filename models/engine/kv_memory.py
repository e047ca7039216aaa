"""The memory of KV slots: key and value tensors of a fixed capacity, in which slots lie in order.

Each tensor is [slots, heads, capacity, head size]. The graph reads and appends in place, so a step
makes no copy.
"""

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.engine.cuda_copies import CudaCopies
from schemas.errors import EngineError

Number = type[np.floating[Any]] | type[np.int8]
MemoryPlace = tuple[str, int, Number, tuple[int, ...], int]
"""Device, its index, number type, array shape and address, as ``IOBinding`` takes them."""

_FIRST_CAPACITY = 2048


@dataclass(frozen=True, slots=True)
class KVLayout:
    """The key and value tensors of a graph."""

    names: Sequence[str]
    heads: int
    head_size: int
    type: Number


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    owner: NDArray[Any] | onnxruntime.OrtValue
    """Keeps the memory at ``address``."""
    address: int
    capacity: int
    """Tokens of a slot."""


class KVMemory:
    """The tensors of all slots. All methods are called by one thread.

    The capacity grows with the longest sequence, up to ``most_tokens``.
    """

    def __init__(self, layout: KVLayout, slots: int, device: str, most_tokens: int) -> None:
        """Allocate. Raises EngineError where there is not enough memory."""
        self.layout = layout
        self.slots = slots
        self.device = device
        self._most_tokens = most_tokens
        self._cuda = CudaCopies() if device == "cuda" else None
        self._written = [0] * slots
        """The most tokens that each slot has held: the part to copy when the memory grows."""
        self._tensors: list[_Tensor] = []
        self._capacity = 0
        self._grow(min(_FIRST_CAPACITY, most_tokens))

    def reserve(self, slots: Sequence[int], lengths: Sequence[int]) -> bool:
        """Make room for a number of tokens in each of ``slots``.

        Returns whether the memory grew: placements from before are then invalid. Raises EngineError
        where there is not enough memory.
        """
        grows = max(lengths) > self._capacity
        if grows:
            self._grow(min(self._most_tokens, max(*lengths, 2 * self._capacity)))
        for slot, length in zip(slots, lengths, strict=True):
            self._written[slot] = max(self._written[slot], length)
        return grows

    def placements(self, first: int, last: int) -> list[tuple[str, MemoryPlace]]:
        """Name and placement of each tensor's part for the slots ``first`` to ``last`` - 1."""
        layout = self.layout
        shape = (last - first, layout.heads, self._capacity, layout.head_size)
        slot_bytes = int(np.prod(shape[1:])) * np.dtype(layout.type).itemsize
        return [
            (
                tensor.name,
                (self.device, 0, layout.type, shape, tensor.address + first * slot_bytes),
            )
            for tensor in self._tensors
        ]

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first ``length`` tokens of a slot to another."""
        for tensor in self._tensors:
            self._copy(tensor, source, tensor, target, length)
        self._wait()
        self._written[target] = max(self._written[target], length)

    def _grow(self, capacity: int) -> None:
        """Allocate tensors of a larger capacity, and copy what the slots hold."""
        layout = self.layout
        shape = (self.slots, layout.heads, capacity, layout.head_size)
        previous = self._tensors
        allocate = _on_cpu if self.device == "cpu" else _on_device
        try:
            self._tensors = [
                allocate(name, shape, layout.type, self.device) for name in layout.names
            ]
        except (MemoryError, OSError, RuntimeError) as error:
            raise EngineError(
                f"no memory for {self.slots} KV slots of {capacity:,} tokens: {error}"
            ) from error
        for old, new in zip(previous, self._tensors, strict=False):
            for slot, length in enumerate(self._written):
                self._copy(old, slot, new, slot, length)
        self._wait()
        self._capacity = capacity

    def _copy(
        self, source: _Tensor, from_slot: int, target: _Tensor, to_slot: int, length: int
    ) -> None:
        """Copy the first ``length`` tokens of a slot. On a GPU it may return before."""
        if isinstance(source.owner, np.ndarray) and isinstance(target.owner, np.ndarray):
            target.owner[to_slot, :, :length] = source.owner[from_slot, :, :length]
        elif length:
            assert self._cuda is not None, "only on a GPU are tensors no arrays"
            heads = self.layout.heads
            token = self.layout.head_size * np.dtype(self.layout.type).itemsize
            self._cuda.rows(
                source.address + from_slot * heads * source.capacity * token,
                source.capacity * token,
                target.address + to_slot * heads * target.capacity * token,
                target.capacity * token,
                length * token,
                heads,
            )

    def _wait(self) -> None:
        if self._cuda is not None:
            self._cuda.wait()


def _on_cpu(name: str, shape: tuple[int, ...], type_: Number, device: str) -> _Tensor:
    # Pages are allocated when they are written to. numpy is not used, because it requests huge
    # pages: a slot of a few tokens would take 2 MB in each of its heads.
    memory = mmap.mmap(-1, int(np.prod(shape)) * np.dtype(type_).itemsize)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    array = np.frombuffer(memory, type_).reshape(shape)
    return _Tensor(name, array, array.ctypes.data, shape[2])


def _on_device(name: str, shape: tuple[int, ...], type_: Number, device: str) -> _Tensor:
    value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, type_, device, 0)
    return _Tensor(name, value, value.data_ptr(), shape[2])
