"""ONNX nodes of linear layers, in each precision.

In int8 both sides of a product have 8 bits. A weight matrix has a scale for each output. The scales
of the matrix that it is multiplied with, which has a row for each token, depend on what that is
(``Rows``). None depends on several rows, so that what is computed for a token does not depend on
the other tokens of a call.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np

from models.export.graph.nodes import MICROSOFT, Array, Nodes
from models.export.graph.weights import Weights
from models.precision import Precision
from schemas.errors import UnsupportedArchitecture

_LARGEST = 127
"""Largest 8-bit number that a scale maps to."""
_ZERO = np.uint8(128)
"""What stands for 0. onnxruntime has a fast product of two signed matrices only with
AVX-VNNI-INT8.
"""
_SPREAD = 32
"""Numbers that an outlier is spread over: a power of two."""
_NORMED_LARGEST = 4.5
"""Largest absolute value of a normed row that is represented."""


class Rows(Enum):
    """What a matrix is that a linear layer multiplies with its weights."""

    NORMED = auto()
    """Normed, with 1 for the norm's weights, and rotated (``rotation.py``). Its numbers are nearly
    normally distributed with standard deviation 1, so that one fixed scale fits all rows.
    """
    PLAIN = auto()
    """A scale for each row fits, which is computed from its largest absolute value."""
    OUTLIERS = auto()
    """A scale for each row does not fit, because of outliers. A Hadamard matrix, multiplied into
    every 32 numbers of the rows and of the weights, spreads an outlier over 32 numbers and changes
    no result (QuaRot, Ashkboos et al. 2024, arXiv 2404.00456).
    """


@dataclass(frozen=True, slots=True)
class _QuantizedRows:
    """Names of a matrix in 8 bits."""

    numbers: str
    """uint8 [rows, columns]."""
    common: str
    """A scale of all rows: a constant."""
    scales: str | None
    """[rows, 1]: another scale of each row, if any."""


@dataclass(frozen=True, slots=True)
class Linear:
    """Adds products with a model's weight matrices to a graph."""

    nodes: Nodes
    weights: Weights
    _quantized: dict[str, _QuantizedRows] = field(default_factory=dict)
    """By the name of the matrix: several products share it."""

    def layer(self, name: str, parts: Sequence[str], x: str, rows: Rows) -> str:
        """The product with the weights of ``parts`` side by side, plus their biases if any.

        Raises UnsupportedArchitecture if only some of them have a bias.
        """
        weight = np.concatenate([self.weights.need(f"{part}.weight") for part in parts])
        product = self.product(name, weight, x, rows)
        biases = [self.weights.get(f"{part}.bias") for part in parts]
        given = [bias for bias in biases if bias is not None]
        if not given:
            return product
        if len(given) < len(biases):
            raise UnsupportedArchitecture(f"a bias on some of {', '.join(parts)}")
        bias = self.nodes.constant(f"{name}.bias", np.concatenate(given))
        return self.nodes.add("Add", [product, bias])

    def product(self, name: str, weight: Array, x: str, rows: Rows) -> str:
        """The product of ``x`` [rows, inputs] with the transposed weight [outputs, inputs]."""
        if self.nodes.precision is not Precision.INT8:
            matrix = self.nodes.constant(f"{name}.weight", np.ascontiguousarray(weight.T))
            return self.nodes.add("MatMul", [x, matrix])
        if rows is Rows.OUTLIERS:
            weight, x = self.spread(weight, x)
        scales = np.abs(weight).max(axis=1) / _LARGEST
        scales[scales == 0] = 1
        rounded = np.rint(weight / scales[:, None]).astype(np.int8)
        quantized = self.quantized(x, rows)
        product = self.nodes.add(
            "MatMulIntegerToFloat",
            [
                quantized.numbers,
                self.nodes.constant(f"{name}.weight", np.ascontiguousarray(rounded.T)),
                quantized.common,
                self.nodes.constant(f"{name}.scale", scales.astype(np.float32)),
                self.nodes.constant("quantized.zero", _ZERO),
            ],
            domain=MICROSOFT,
        )
        if quantized.scales is None:
            return product
        return self.nodes.add("Mul", [product, quantized.scales])

    def quantized(self, x: str, rows: Rows) -> _QuantizedRows:
        """A matrix [rows, columns] in 8 bits."""
        if x not in self._quantized:
            self._quantized[x] = (
                self.quantized_normed(x) if rows is Rows.NORMED else self.quantized_by_row(x)
            )
        return self._quantized[x]

    def quantized_normed(self, x: str) -> _QuantizedRows:
        """Normed rows in 8 bits, with one scale."""
        scale = self.nodes.constant("quantized.normed", np.float32(_NORMED_LARGEST / _LARGEST))
        zero = self.nodes.constant("quantized.zero", _ZERO)
        return _QuantizedRows(self.nodes.add("QuantizeLinear", [x, scale, zero]), scale, None)

    def quantized_by_row(self, x: str) -> _QuantizedRows:
        """Rows in 8 bits, with a scale for each.

        A row of zeros gets scale 0, and whatever numbers: they are multiplied by the scale.
        """
        largest = self.nodes.add(
            "ReduceMax", [self.nodes.add("Abs", [x]), self.nodes.integers(-1)], keepdims=0
        )
        scales = self.nodes.add(
            "Mul", [largest, self.nodes.constant("quantized.unit", np.float32(1 / _LARGEST))]
        )
        zero = self.nodes.constant("quantized.zero", _ZERO)
        zeros = self.nodes.add("Expand", [zero, self.nodes.add("Shape", [scales])])
        return _QuantizedRows(
            self.nodes.add("QuantizeLinear", [x, scales, zeros], axis=0),
            self.nodes.constant("one", np.float32(1)),
            self.nodes.add("Unsqueeze", [scales, self.nodes.integers(1)]),
        )

    def spread(self, weight: Array, x: str) -> tuple[Array, str]:
        """Another weight and input with the same product, whose outliers are spread.

        Over fewer numbers where the number of inputs is not a multiple of 32.
        """
        outputs, inputs = weight.shape
        size = math.gcd(inputs, _SPREAD)
        matrix = _hadamard(size)
        blocks = self.nodes.reshape(x, (-1, size))
        product = self.nodes.add(
            "MatMul", [blocks, self.nodes.constant(f"hadamard.{size}", matrix)]
        )
        spread = (weight.reshape(-1, size) @ matrix).reshape(outputs, inputs)
        return spread, self.nodes.reshape(product, (-1, inputs))


def _hadamard(size: int) -> Array:
    """[size, size]: orthogonal, all numbers of one magnitude; ``size`` is a power of two."""
    matrix = np.ones((1, 1), np.float32)
    while len(matrix) < size:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix / np.float32(math.sqrt(size))
