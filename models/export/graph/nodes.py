"""ONNX nodes under construction: a list of them, their constants, and the products with a matrix in
each precision.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.engine.precision import Precision

MICROSOFT = "com.microsoft"
_BLOCK = 64
"""Numbers that share a scale where there are outliers."""

Array = NDArray[Any]


@dataclass(slots=True)
class Nodes:
    """A graph's nodes and constants. What a method adds is known by its output's name, which it
    returns.
    """

    precision: Precision
    nodes: list[onnx.NodeProto] = field(default_factory=list, kw_only=True)
    initializers: dict[str, onnx.TensorProto] = field(default_factory=dict, kw_only=True)
    named: int = field(default=0, kw_only=True)

    def add(
        self,
        operator: str,
        inputs: Sequence[str],
        outputs: Sequence[str] | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """A node; its first output."""
        outputs = outputs or [self.fresh()]
        self.nodes.append(
            helper.make_node(operator, list(inputs), list(outputs), domain=domain, **attributes)
        )
        return outputs[0]

    def fresh(self) -> str:
        """A name that nothing has."""
        self.named += 1
        return f"value.{self.named}"

    def constant(self, name: str, value: Array | np.generic) -> str:
        """A constant, in half precision where the graph is."""
        array = np.asarray(value)
        if self.precision is Precision.FP16 and array.dtype == np.float32:
            array = array.astype(np.float16)
        self.initializers[name] = numpy_helper.from_array(array, name)
        return name

    def integers(self, *values: int) -> str:
        """A vector of them."""
        return self.constant(f"integers.{'.'.join(map(str, values))}", np.array(values, np.int64))

    def scalar(self, value: int) -> str:
        """A number without dimensions."""
        return self.constant(f"scalar.{value}", np.array(value, np.int64))

    def reshape(self, x: str, form: tuple[int, ...]) -> str:
        """The same numbers in another form; -1 for what is left."""
        return self.add("Reshape", [x, self.integers(*form)])

    def split(self, x: str, sizes: Array) -> list[str]:
        """Parts of the last dimension."""
        names = [self.fresh() for _ in sizes]
        self.add("Split", [x, self.constant(f"{names[0]}.sizes", sizes)], names, axis=-1)
        return names

    def product(self, name: str, weight: Array, x: str, output: str | None = None) -> str:
        """The product with the transpose of a weight [outputs, inputs]."""
        outputs = [output] if output else None
        if self.precision is not Precision.INT8:
            return self.add(
                "MatMul",
                [x, self.constant(f"{name}.weight", np.ascontiguousarray(weight.T))],
                outputs,
            )
        scales = np.abs(weight).max(axis=1) / 127
        scales[scales == 0] = 1
        rounded = np.rint(weight / scales[:, None]).astype(np.int8)
        matrix = self.constant(f"{name}.weight", np.ascontiguousarray(rounded.T))
        scale = self.constant(f"{name}.scale", scales.astype(np.float32))
        return self.add("DynamicQuantizeMatMul", [x, matrix, scale], outputs, domain=MICROSOFT)

    def blockwise_product(self, name: str, weight: Array, x: str) -> str:
        """The same with a scale for each block of inputs, of the weight and of what it
        multiplies.
        """
        outputs, inputs = weight.shape
        blocks = -(-inputs // _BLOCK)
        padded = np.zeros((outputs, blocks * _BLOCK), np.float32)
        padded[:, :inputs] = weight
        padded = padded.reshape(outputs, blocks, _BLOCK)
        scales = np.abs(padded).max(axis=2) / 127
        scales[scales == 0] = 1
        rounded = (np.rint(padded / scales[:, :, None]) + 128).astype(
            np.uint8
        )  # 128 is the operator's zero
        return self.add(
            "MatMulNBits",
            [
                x,
                self.constant(f"{name}.weight", rounded),
                self.constant(f"{name}.scale", scales.ravel()),
            ],
            domain=MICROSOFT,
            N=outputs,
            K=inputs,
            bits=8,
            block_size=_BLOCK,
            accuracy_level=4,  # multiplies in int8
        )

    @property
    def number(self) -> int:
        """Type of logits, and of keys and values but in int8."""
        return int(TensorProto.FLOAT16 if self.precision is Precision.FP16 else TensorProto.FLOAT)
