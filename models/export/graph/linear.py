"""ONNX nodes of linear layers, in each precision."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.engine.precision import Precision
from models.export.graph.nodes import MICROSOFT, Array, Nodes
from models.export.graph.weights import Weights
from schemas.errors import UnsupportedArchitecture

_BLOCK = 64
"""Numbers that share a scale in a blockwise product."""


@dataclass(frozen=True, slots=True)
class Linear:
    """Adds products with a model's weight matrices to a graph."""

    nodes: Nodes
    weights: Weights
    blocks: bool
    """Whether products whose input has outliers get a scale for each block, in int8."""

    def layer(self, name: str, parts: Sequence[str], x: str, *, outliers: bool = False) -> str:
        """The product with the weights of ``parts`` side by side, plus their biases if any.

        Raises UnsupportedArchitecture if only some of them have a bias.
        """
        weight = np.concatenate([self.weights.need(f"{part}.weight") for part in parts])
        in_blocks = outliers and self.blocks and self.nodes.precision is Precision.INT8
        product = (self.blockwise_product if in_blocks else self.product)(name, weight, x)
        biases = [self.weights.get(f"{part}.bias") for part in parts]
        given = [bias for bias in biases if bias is not None]
        if not given:
            return product
        if len(given) < len(biases):
            raise UnsupportedArchitecture(f"a bias on some of {', '.join(parts)}")
        bias = self.nodes.constant(f"{name}.bias", np.concatenate(given))
        return self.nodes.add("Add", [product, bias])

    def product(self, name: str, weight: Array, x: str, output: str | None = None) -> str:
        """The product with the transpose of ``weight`` [outputs, inputs].

        In int8, the weight has one scale for each output, and x one for all its rows.
        """
        outputs = [output] if output else None
        if self.nodes.precision is not Precision.INT8:
            matrix = self.nodes.constant(f"{name}.weight", np.ascontiguousarray(weight.T))
            return self.nodes.add("MatMul", [x, matrix], outputs)
        scales = np.abs(weight).max(axis=1) / 127
        scales[scales == 0] = 1
        rounded = np.rint(weight / scales[:, None]).astype(np.int8)
        matrix = self.nodes.constant(f"{name}.weight", np.ascontiguousarray(rounded.T))
        scale = self.nodes.constant(f"{name}.scale", scales.astype(np.float32))
        return self.nodes.add(
            "DynamicQuantizeMatMul", [x, matrix, scale], outputs, domain=MICROSOFT
        )

    def blockwise_product(self, name: str, weight: Array, x: str) -> str:
        """The same product in int8.

        The weight and ``x`` have a scale for each block of inputs.
        """
        outputs, inputs = weight.shape
        blocks = -(-inputs // _BLOCK)
        padded = np.zeros((outputs, blocks * _BLOCK), np.float32)
        padded[:, :inputs] = weight
        padded = padded.reshape(outputs, blocks, _BLOCK)
        scales = np.abs(padded).max(axis=2) / 127
        scales[scales == 0] = 1
        # 128 is the operator's zero point.
        rounded = (np.rint(padded / scales[:, :, None]) + 128).astype(np.uint8)
        return self.nodes.add(
            "MatMulNBits",
            [
                x,
                self.nodes.constant(f"{name}.weight", rounded),
                self.nodes.constant(f"{name}.scale", scales.ravel()),
            ],
            domain=MICROSOFT,
            N=outputs,
            K=inputs,
            bits=8,
            block_size=_BLOCK,
            accuracy_level=4,  # multiplies in int8
        )
