"""The header of a GGUF file: its metadata, and where its tensors lie.

The format (github.com/ggml-org/ggml, docs/gguf.md): the letters ``GGUF``, a version, the numbers of
tensors and of metadata entries, the entries, the descriptions of the tensors, padding, the tensors.
Package ``gguf`` has a reader too, which makes an array for every element of every list: it takes
minutes and gigabytes where a file asks for that. This one reads only what the bounds below allow.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from schemas.errors import ModelError

Value: TypeAlias = int | float | bool | str | list[str] | npt.NDArray[Any]
"""A value of the metadata. A list of numbers is an array."""

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_MOST_ENTRIES = 1 << 16
"""Of the metadata, and of the tensors. A model of 400 B parameters has some 1,200 tensors."""
_MOST_ELEMENTS = 1 << 20
"""Of a list. The largest vocabularies have 262,144 tokens and 600,000 merges."""
_MOST_BYTES = 1 << 26
"""Of the header."""
_MOST_DIMENSIONS = 4
_LARGEST_ALIGNMENT = 1 << 20
_STRING, _LIST, _BOOL = 8, 9, 7
_NUMBERS = {
    0: "<u1",
    1: "<i1",
    2: "<u2",
    3: "<i2",
    4: "<u4",
    5: "<i4",
    6: "<f4",
    _BOOL: "?",
    10: "<u8",
    11: "<i8",
    12: "<f8",
}
"""Kinds of values of the metadata, as numpy writes them."""


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """Where a tensor lies in its file, and how it is written there."""

    name: str
    shape: tuple[int, ...]
    """Rows first, as in numpy: the reverse of the file's order."""
    kind: GGMLQuantizationType
    start: int
    """Position in the file."""
    row_bytes: int
    """Bytes of the last dimension."""

    @property
    def rows(self) -> int:
        """All dimensions but the last, multiplied. 1 for a vector."""
        total = 1
        for size in self.shape[:-1]:
            total *= size
        return total


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A GGUF file, whose header was read and checked against the file's size."""

    path: Path
    metadata: dict[str, Value]
    tensors: dict[str, TensorPlace]

    @classmethod
    def read(cls, path: Path) -> "GgufFile":
        """Read the header.

        Raises ModelError where the file cannot be read, is not GGUF, is cut short or contradicts
        itself, is big-endian, or is one part of several.
        """
        try:
            with path.open("rb") as file:
                return cls(path, *_Header(path, file).read())
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error

    def slices(
        self, tensor: TensorPlace, most_bytes: int, order: npt.NDArray[np.intp] | None = None
    ) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield the rows of a tensor as bytes [rows, row bytes], a few at a time.

        ``most_bytes`` is the most of one slice, where a row is not larger. ``order`` are the rows'
        numbers in the order wanted, of a vector the numbers' own; then the tensor is read at once.
        Raises ModelError.
        """
        step = max(1, most_bytes // tensor.row_bytes)
        try:
            with self.path.open("rb") as file:
                file.seek(tensor.start)
                if order is not None:
                    rows = self._rows(file, tensor, tensor.rows)
                    ordered = rows.reshape(len(order), -1)[order]
                    for first in range(0, len(order), step):
                        yield ordered[first : first + step]
                    return
                for first in range(0, tensor.rows, step):
                    yield self._rows(file, tensor, min(step, tensor.rows - first))
        except OSError as error:
            raise ModelError(f"{self.path} cannot be read: {error.strerror or error}") from error

    def _rows(self, file: IO[bytes], tensor: TensorPlace, rows: int) -> npt.NDArray[np.uint8]:
        data = file.read(rows * tensor.row_bytes)
        if len(data) < rows * tensor.row_bytes:
            raise ModelError(f"{self.path} became shorter while it was read: start again")
        return np.frombuffer(data, np.uint8).reshape(rows, tensor.row_bytes)


class _Header:
    """Reads a header from its start to its end."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path
        self._file = file
        self._size = path.stat().st_size
        self._position = 0

    def read(self) -> tuple[dict[str, Value], dict[str, TensorPlace]]:
        self._check_kind()
        tensors, entries = self._unsigned(8), self._unsigned(8)
        if max(tensors, entries) > _MOST_ENTRIES:
            self._damaged(f"it announces {tensors:,} tensors and {entries:,} metadata entries")
        metadata: dict[str, Value] = {}
        for _ in range(entries):
            key = self._text()
            if key in metadata:
                self._damaged(f"it has {key} twice")
            metadata[key] = self._value(self._unsigned(4))
        self._refuse_parts(metadata)
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 0 < alignment <= _LARGEST_ALIGNMENT:
            self._damaged(f"its alignment is {alignment!r}")
        described = [self._description() for _ in range(tensors)]
        start = -(-self._position // alignment) * alignment
        return metadata, self._places(described, start)

    def _check_kind(self) -> None:
        magic = self._bytes(4) if self._size >= 4 else b""
        if magic != _MAGIC:
            raise ModelError(
                f"{self._path} is not a GGUF file: give a GGUF file, a directory with a "
                "checkpoint, or the id of a model"
            )
        version = self._unsigned(4)
        if version & 0xFFFF == 0:
            raise ModelError(
                f"{self._path} is a big-endian GGUF file, which is not supported: convert it with "
                "gguf-convert-endian, a command of package gguf"
            )
        if version not in _VERSIONS:
            raise ModelError(
                f"{self._path} has version {version} of GGUF, and versions 2 and 3 are "
                "supported: get the model in one of these"
            )

    def _refuse_parts(self, metadata: dict[str, Value]) -> None:
        parts = metadata.get("split.count", 1)
        if isinstance(parts, int) and parts > 1:
            raise ModelError(
                f"{self._path} is one of {parts} parts of a model: join them with "
                "`llama-gguf-split --merge`, a command of llama.cpp"
            )

    def _description(self) -> tuple[str, tuple[int, ...], int, int]:
        """Name, shape, kind and offset of a tensor."""
        name = self._text()
        dimensions = self._unsigned(4)
        if not 0 < dimensions <= _MOST_DIMENSIONS:
            self._damaged(f"{name} has {dimensions:,} dimensions")
        shape = tuple(self._unsigned(8) for _ in range(dimensions))
        return name, shape[::-1], self._unsigned(4), self._unsigned(8)

    def _places(
        self, described: list[tuple[str, tuple[int, ...], int, int]], start: int
    ) -> dict[str, TensorPlace]:
        places: dict[str, TensorPlace] = {}
        for name, shape, number, offset in described:
            if name in places:
                self._damaged(f"it has {name} twice")
            try:
                kind = GGMLQuantizationType(number)
            except ValueError:
                raise ModelError(
                    f"{self._path}: {name} has quantization {number}, which package gguf does not "
                    "know: get the model in another quantization, such as Q8_0"
                ) from None
            block, block_bytes = GGML_QUANT_SIZES[kind]
            if 0 in shape or shape[-1] % block:
                self._damaged(f"{name} has shape {shape}, in blocks of {block} numbers")
            place = TensorPlace(name, shape, kind, start + offset, shape[-1] // block * block_bytes)
            if place.start + place.rows * place.row_bytes > self._size:
                self._damaged(f"{name} lies beyond its end")
            places[name] = place
        return places

    def _value(self, kind: int) -> Value:
        if kind == _STRING:
            return self._text()
        if kind != _LIST:
            value: int | float | bool = self._numbers(kind, 1)[0].item()
            return value
        kind, elements = self._unsigned(4), self._unsigned(8)
        if elements > _MOST_ELEMENTS:
            self._damaged(f"it announces a list of {elements:,} elements")
        if kind == _STRING:
            return [self._text() for _ in range(elements)]
        return self._numbers(kind, elements)

    def _numbers(self, kind: int, count: int) -> npt.NDArray[Any]:
        if kind not in _NUMBERS:
            self._damaged(f"it has a value of kind {kind}")
        dtype = np.dtype(_NUMBERS[kind])
        return np.frombuffer(self._bytes(count * dtype.itemsize), dtype)

    def _text(self) -> str:
        return self._bytes(self._unsigned(8)).decode(errors="replace")

    def _unsigned(self, size: int) -> int:
        return int.from_bytes(self._bytes(size), "little")

    def _bytes(self, count: int) -> bytes:
        if self._position + count > self._size:
            self._damaged("it ends within its header")
        if self._position + count > _MOST_BYTES:
            self._damaged(f"its header has more than {_MOST_BYTES:,} bytes")
        data = self._file.read(count)
        if len(data) < count:
            self._damaged("it ends within its header")
        self._position += count
        return data

    def _damaged(self, what: str) -> NoReturn:
        raise ModelError(f"{self._path} is damaged or cut short: {what}. Get the file again")
