"""ONNX nodes and constants under construction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.precision import Precision

MICROSOFT = "com.microsoft"
"""Domain of onnxruntime's contributed operators."""

Array = NDArray[Any]


@dataclass(slots=True)
class Nodes:
    """The nodes and constants of one graph, in the order in which they are added.

    A value is referred to by its name, which the methods that add one return.
    """

    precision: Precision
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: dict[str, onnx.TensorProto] = field(default_factory=dict)
    _named: int = 0

    def add(
        self,
        operator: str,
        inputs: Sequence[str],
        outputs: Sequence[str] | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Add a node; returns its first output."""
        outputs = outputs or [self.fresh()]
        self.nodes.append(
            helper.make_node(operator, list(inputs), list(outputs), domain=domain, **attributes)
        )
        return outputs[0]

    def fresh(self) -> str:
        """A name that no value has yet."""
        self._named += 1
        return f"value.{self._named}"

    def constant(self, name: str, value: Array | np.generic) -> str:
        """Add a constant; float32 becomes float16 in an fp16 graph."""
        array = np.asarray(value)
        if self.precision is Precision.FP16 and array.dtype == np.float32:
            array = array.astype(np.float16)
        self.initializers[name] = numpy_helper.from_array(array, name)
        return name

    def integers(self, *values: int) -> str:
        """An int64 vector constant."""
        return self.constant(f"integers.{'.'.join(map(str, values))}", np.array(values, np.int64))

    def scalar(self, value: int) -> str:
        """An int64 constant without dimensions."""
        return self.constant(f"scalar.{value}", np.array(value, np.int64))

    def reshape(self, x: str, shape: tuple[int, ...]) -> str:
        """The same numbers in another shape; one dimension may be -1."""
        return self.add("Reshape", [x, self.integers(*shape)])

    def choose(self, condition: str, then: Callable[[], str], otherwise: Callable[[], str]) -> str:
        """What one of two parts of the graph gives; the other is not computed.

        Each adds its nodes and returns the name of its result, of the graph's float type.
        """
        branches = {"then_branch": self._branch(then), "else_branch": self._branch(otherwise)}
        return self.add("If", [condition], **branches)

    def _branch(self, build: Callable[[], str]) -> onnx.GraphProto:
        outside, self.nodes = self.nodes, []
        result = helper.make_tensor_value_info(build(), self.float_type, None)
        inside, self.nodes = self.nodes, outside
        return helper.make_graph(inside, result.name, [], [result])

    def split(self, x: str, sizes: Array) -> list[str]:
        """Parts of the last dimension."""
        names = [self.fresh() for _ in sizes]
        self.add("Split", [x, self.constant(f"{names[0]}.sizes", sizes)], names, axis=-1)
        return names

    def split_tokens(self, x: str, parts: str) -> tuple[str, str]:
        """The part of the first dimension that is the prompt's, and that of the decoding slots.

        ``parts`` [2] is the name of their sizes.
        """
        prompt, decoding = self.fresh(), self.fresh()
        self.add("Split", [x, parts], [prompt, decoding], axis=0)
        return prompt, decoding

    @property
    def float_type(self) -> int:
        """ONNX type of logits and activations."""
        return int(TensorProto.FLOAT16 if self.precision is Precision.FP16 else TensorProto.FLOAT)
