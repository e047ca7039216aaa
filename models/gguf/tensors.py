"""The weights of a GGUF file under the names, and in the order of rows, of transformers."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from gguf.constants import GGMLQuantizationType
from gguf.quants import dequantize

from models.gguf.architecture import Architecture, Sizes
from models.gguf.file import GgufFile, TensorPlace
from schemas.errors import ModelError

_SLICE_BYTES = 1 << 20
"""Of a quantized tensor, that are computed at once. In float32 they are up to 16 times as large."""
_LARGEST_HALF = 65504.0
_WRITTEN = {
    GGMLQuantizationType.F32: "F32",
    GGMLQuantizationType.F16: "F16",
    GGMLQuantizationType.BF16: "BF16",
}
"""Kinds that are copied. What is quantized is written as F16, which rounds by at most a thirtieth
of a step of Q8_0, the finest quantization, and by less of the others.
"""
_ITEM_BYTES = {"F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight of the checkpoint."""

    name: str
    """In transformers."""
    place: TensorPlace
    dtype: str
    """As safetensors name it."""
    order: npt.NDArray[np.intp] | None = None
    """Numbers of the file's rows, in the order of transformers. None: as they are."""
    offset: float = 0.0
    """Subtracted from each number."""

    @property
    def size(self) -> int:
        """Bytes in the checkpoint."""
        size = _ITEM_BYTES[self.dtype]
        for length in self.place.shape:
            size *= length
        return size

    def data(self, file: GgufFile) -> Iterator[bytes]:
        """Yield the numbers, row by row, as the checkpoint has them.

        Raises ModelError where a number is not finite, or the quantization is unknown.
        """
        for rows in file.slices(self.place, _SLICE_BYTES, self.order):
            numbers = self._numbers(file, rows)
            if not np.isfinite(numbers).all():
                raise ModelError(
                    f"{file.path}: {self.place.name} has numbers that are not finite: the file is "
                    "damaged, or its model was; get it again, or another quantization"
                )
            if self.dtype == "F32":
                yield numbers.astype("<f4").tobytes()
            elif self.place.kind in _WRITTEN:
                yield rows.tobytes()
            elif np.abs(numbers).max(initial=0.0) > _LARGEST_HALF:
                raise ModelError(
                    f"{file.path}: {self.place.name} has numbers beyond the range of float16: get "
                    "the model unquantized"
                )
            else:
                yield numbers.astype("<f2").tobytes()

    def _numbers(self, file: GgufFile, rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        try:
            with np.errstate(all="ignore"):  # of a damaged file; the result is checked
                found: npt.NDArray[np.float32] = dequantize(rows, self.place.kind) - np.float32(
                    self.offset
                )
        except NotImplementedError as error:
            raise ModelError(
                f"{file.path}: {self.place.name} is in {self.place.kind.name}, which package gguf "
                "cannot convert: get the model in another quantization, such as Q8_0"
            ) from error
        return found


ROPE_FACTORS = "rope_freqs.weight"
"""Not a weight of transformers: its configuration has what they follow from."""


def weights_of(file: GgufFile, architecture: Architecture, sizes: Sizes) -> list[Weight]:
    """All weights of the checkpoint.

    Raises ModelError where one is missing, has another shape than the sizes say, or is not part
    of the architecture.
    """
    shapes = dict(_shapes(file, architecture, sizes))
    unknown = sorted(file.tensors.keys() - shapes.keys() - {ROPE_FACTORS})
    if unknown:
        raise ModelError(
            f"{file.path} has a tensor {unknown[0]}, which is not supported in a model of its "
            "kind: give the model as a transformers checkpoint"
        )
    found = []
    for name, (target, shape) in shapes.items():
        place = file.tensors.get(name)
        if place is None:
            raise ModelError(f"{file.path} has no tensor {name}: it is not a whole model")
        if place.shape != shape:
            raise ModelError(
                f"{file.path}: {name} has shape {place.shape}, not {shape}: it is damaged"
            )
        if len(shape) == 1 and place.kind not in _WRITTEN:
            raise ModelError(
                f"{file.path}: {name} is a vector in {place.kind.name}, and vectors are not "
                "quantized: it is damaged"
            )
        norm = name.endswith("_norm.weight")
        found.append(
            Weight(
                target,
                place,
                "F32" if norm and architecture.norm_offset else _WRITTEN.get(place.kind, "F16"),
                _order(name, architecture, sizes),
                architecture.norm_offset if norm else 0.0,
            )
        )
    return found


def rope_factors(file: GgufFile, sizes: Sizes) -> npt.NDArray[np.float32] | None:
    """The tensor that states how the rotary embedding is scaled, if there is one."""
    place = file.tensors.get(ROPE_FACTORS)
    if place is None:
        return None
    if place.kind != GGMLQuantizationType.F32 or place.shape != (sizes.head // 2,):
        raise ModelError(
            f"{file.path}: {ROPE_FACTORS} is not a vector of {sizes.head // 2} float32 numbers: "
            "it is damaged"
        )
    [rows] = file.slices(place, place.row_bytes)
    return rows[0].view("<f4")


def _shapes(
    file: GgufFile, architecture: Architecture, sizes: Sizes
) -> Iterator[tuple[str, tuple[str, tuple[int, ...]]]]:
    """Each tensor's name, its name in transformers, and its shape."""
    width, inner = sizes.width, sizes.inner
    queries, keys = sizes.heads * sizes.head, sizes.key_value_heads * sizes.head
    yield "token_embd.weight", ("model.embed_tokens.weight", (sizes.vocabulary, width))
    yield "output_norm.weight", ("model.norm.weight", (width,))
    if "output.weight" in file.tensors:
        yield "output.weight", ("lm_head.weight", (sizes.vocabulary, width))
    biases = architecture.biased or "blk.0.attn_q.bias" in file.tensors
    for layer in range(sizes.layers):
        ours, theirs = f"blk.{layer}", f"model.layers.{layer}"
        yield f"{ours}.attn_norm.weight", (f"{theirs}.input_layernorm.weight", (width,))
        yield f"{ours}.ffn_norm.weight", (f"{theirs}.post_attention_layernorm.weight", (width,))
        for letter, rows in (("q", queries), ("k", keys), ("v", keys)):
            name = f"{theirs}.self_attn.{letter}_proj"
            yield f"{ours}.attn_{letter}.weight", (f"{name}.weight", (rows, width))
            if biases:
                yield f"{ours}.attn_{letter}.bias", (f"{name}.bias", (rows,))
            if architecture.head_norms and letter != "v":
                yield (
                    f"{ours}.attn_{letter}_norm.weight",
                    (f"{theirs}.self_attn.{letter}_norm.weight", (sizes.head,)),
                )
        name = f"{theirs}.self_attn.o_proj"
        yield f"{ours}.attn_output.weight", (f"{name}.weight", (width, queries))
        if biases and not architecture.biased:
            yield f"{ours}.attn_output.bias", (f"{name}.bias", (width,))
        for which, shape in (
            ("gate", (inner, width)),
            ("up", (inner, width)),
            ("down", (width, inner)),
        ):
            yield f"{ours}.ffn_{which}.weight", (f"{theirs}.mlp.{which}_proj.weight", shape)


def _order(name: str, architecture: Architecture, sizes: Sizes) -> npt.NDArray[np.intp] | None:
    """The order of rows that undoes llama.cpp's: pairs of each head to halves."""
    for letter, heads in (("q", sizes.heads), ("k", sizes.key_value_heads)):
        if architecture.paired and f".attn_{letter}." in name:
            rows = np.arange(heads * sizes.head).reshape(heads, sizes.head // 2, 2)
            return rows.swapaxes(1, 2).reshape(-1)
    return None
