"""ONNX nodes of linear layers, in each precision.

In int8 both sides of a product have 8 bits. A weight matrix has a scale for each output, and the
matrix that it is multiplied with has one for each row, which is computed on the way. A row is one
token, so that what is computed for a token does not depend on the other tokens of a call.

The input of a feed-forward layer's last product has outliers that one scale a row cannot represent.
A Hadamard matrix, multiplied into every 32 numbers of that input and of the weights, spreads an
outlier over 32 numbers and changes no result (QuaRot, Ashkboos et al. 2024, arXiv 2404.00456).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.engine.precision import Precision
from models.export.graph.nodes import MICROSOFT, Array, Nodes
from models.export.graph.weights import Weights
from schemas.errors import UnsupportedArchitecture

_LARGEST = 127
"""Largest 8-bit number that a scale maps to."""
_ZERO = np.uint8(128)
"""What stands for 0. onnxruntime has a fast product of two signed matrices only with
AVX-VNNI-INT8.
"""
_SPREAD = 32
"""Numbers that an outlier is spread over: a power of two."""


@dataclass(frozen=True, slots=True)
class _QuantizedRows:
    """Names of a matrix in 8 bits."""

    numbers: str
    """uint8 [rows, columns]."""
    scales: str
    """[rows, 1]."""


@dataclass(frozen=True, slots=True)
class Linear:
    """Adds products with a model's weight matrices to a graph."""

    nodes: Nodes
    weights: Weights
    _quantized: dict[str, _QuantizedRows] = field(default_factory=dict)
    """By the name of the matrix: several products share it."""

    def layer(self, name: str, parts: Sequence[str], x: str, *, outliers: bool = False) -> str:
        """The product with the weights of ``parts`` side by side, plus their biases if any.

        Raises UnsupportedArchitecture if only some of them have a bias.
        """
        weight = np.concatenate([self.weights.need(f"{part}.weight") for part in parts])
        if outliers and self.nodes.precision is Precision.INT8:
            weight, x = self.spread(weight, x)
        product = self.product(name, weight, x)
        biases = [self.weights.get(f"{part}.bias") for part in parts]
        given = [bias for bias in biases if bias is not None]
        if not given:
            return product
        if len(given) < len(biases):
            raise UnsupportedArchitecture(f"a bias on some of {', '.join(parts)}")
        bias = self.nodes.constant(f"{name}.bias", np.concatenate(given))
        return self.nodes.add("Add", [product, bias])

    def product(self, name: str, weight: Array, x: str) -> str:
        """The product of ``x`` [rows, inputs] with the transposed weight [outputs, inputs]."""
        if self.nodes.precision is not Precision.INT8:
            matrix = self.nodes.constant(f"{name}.weight", np.ascontiguousarray(weight.T))
            return self.nodes.add("MatMul", [x, matrix])
        scales = np.abs(weight).max(axis=1) / _LARGEST
        scales[scales == 0] = 1
        rounded = np.rint(weight / scales[:, None]).astype(np.int8)
        rows = self.quantized(x)
        product = self.nodes.add(
            "MatMulIntegerToFloat",
            [
                rows.numbers,
                self.nodes.constant(f"{name}.weight", np.ascontiguousarray(rounded.T)),
                self.nodes.constant("one", np.float32(1)),
                self.nodes.constant(f"{name}.scale", scales.astype(np.float32)),
                self.nodes.constant("quantized.zero", _ZERO),
            ],
            domain=MICROSOFT,
        )
        return self.nodes.add("Mul", [product, rows.scales])

    def quantized(self, x: str) -> _QuantizedRows:
        """A matrix [rows, columns] in 8 bits.

        A row of zeros gets scale 0, and whatever numbers: they are multiplied by the scale.
        """
        if x not in self._quantized:
            largest = self.nodes.add(
                "ReduceMax", [self.nodes.add("Abs", [x]), self.nodes.integers(-1)], keepdims=0
            )
            scales = self.nodes.add(
                "Mul", [largest, self.nodes.constant("quantized.unit", np.float32(1 / _LARGEST))]
            )
            zeros = self.nodes.add(
                "Expand",
                [
                    self.nodes.constant("quantized.zero", _ZERO),
                    self.nodes.add("Shape", [scales]),
                ],
            )
            self._quantized[x] = _QuantizedRows(
                self.nodes.add("QuantizeLinear", [x, scales, zeros], axis=0),
                self.nodes.add("Unsqueeze", [scales, self.nodes.integers(1)]),
            )
        return self._quantized[x]

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
