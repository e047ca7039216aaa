"""Builds the engine's own ONNX graph of a decoder: grouped-query attention over a cache that is appended in place.

The graph is made from a transformers model's weights, for decoders shaped as Llama, Mistral, Qwen2, Qwen3 and Gemma: a few
dozen fused nodes for each layer's hundreds in a traced export. The operators are onnxruntime's contributed ones
(``com.microsoft``): GroupQueryAttention applies the rotary embedding, appends keys and values to their cache and attends.

Inputs, with B rows, S new tokens a row, C the capacity of the cache:

- ``input_ids`` int64 [B, S], padded on the right;
- ``seqlens_k`` int32 [B]: tokens of each row, past and new, less one; ``total_sequence_length`` int32 []: the most of any row;
- ``rows`` int64 [N]: which of the B * S positions want logits;
- ``past_key.L``, ``past_value.L`` [B, key/value heads, C, head size] for each layer L.

In int8 the matrices are 8 bits a weight with a scale for each output (DynamicQuantizeMatMul); what they multiply is
brought to 8 bits on the way, by one scale for all rows of a call. What the last product of a feed-forward multiplies has
outliers that one scale does not bear: either they were moved into the weights before (``models/smoothing.py``), or, with
``blocks``, that product has a scale for every 64 numbers on both sides (MatMulNBits), which is slower.
Embedding, norms and attention stay fp32. In fp16 everything is fp16; norms compute in fp32.

Outputs: ``logits`` [N, vocabulary], and ``present_key.L``, ``present_value.L``, to be bound to the memory of the past.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from transformers import PreTrainedModel

from models.engine.precision import Precision
from schemas.errors import NotCovered

_SHAPES = ("llama", "mistral", "qwen2", "qwen3", "gemma")
_ROTARY = ("default", "linear", "llama3", "yarn")
"""Kinds of rotary embedding whose angles do not depend on the length of the text."""
_HEAD_MULTIPLE = 16
"""What onnxruntime's attention asks of a head's size where it applies the rotary embedding."""
_BLOCK = 64
"""Numbers that share a scale where there are outliers."""
_MICROSOFT = "com.microsoft"
_OPSET = 20

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a decoder of the covered families is made of."""

    layers: int
    hidden: int
    heads: int
    key_value_heads: int
    head_size: int
    epsilon: float
    activation: str
    """Operator of the feed-forward's gate."""
    norm_offset: float
    """What is added to a norm's weight: 1 for Gemma."""
    embedding_scale: float
    scale: float
    """Of the attention's products."""

    @classmethod
    def of(cls, model: PreTrainedModel) -> "Shape":
        """The shape of a model. Raises NotCovered."""
        config = model.config
        if config.model_type not in _SHAPES:
            raise NotCovered(f"model type {config.model_type}")
        rotary = getattr(model.model.rotary_emb, "rope_type", "default")
        if rotary not in _ROTARY:
            raise NotCovered(f"rotary embedding of kind {rotary}")
        if any(kind != "full_attention" for kind in getattr(config, "layer_types", None) or ()):
            raise NotCovered("layers with a sliding window")
        window = getattr(config, "sliding_window", None)
        if window is not None and getattr(config, "use_sliding_window", True) and window < config.max_position_embeddings:
            raise NotCovered(f"a sliding window of {window:,} tokens")
        gemma = config.model_type == "gemma"
        act = getattr(config, "hidden_activation", None) or config.hidden_act
        activations = {"silu": "QuickGelu", "gelu_pytorch_tanh": "FastGelu", "gelu": "FastGelu" if gemma else "Gelu"}
        if act not in activations:
            raise NotCovered(f"activation {act}")
        head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        if head_size % _HEAD_MULTIPLE:
            raise NotCovered(f"heads of {head_size} numbers, which are no multiple of {_HEAD_MULTIPLE}")
        return cls(
            layers=config.num_hidden_layers,
            hidden=config.hidden_size,
            heads=config.num_attention_heads,
            key_value_heads=config.num_key_value_heads,
            head_size=head_size,
            epsilon=config.rms_norm_eps,
            activation=activations[act],
            norm_offset=1.0 if gemma else 0.0,
            embedding_scale=config.hidden_size**0.5 if gemma else 1.0,
            scale=head_size**-0.5,
        )


def build(model: PreTrainedModel, file: Path, precision: Precision = Precision.FP32, *, blocks: bool = False) -> None:
    """Write the graph of ``model``; ``blocks`` is for int8. Raises NotCovered for another shape; nothing is written then."""
    builder = _Builder(Shape.of(model), _Weights(dict(model.state_dict())), precision, blocks)
    graph = builder.build(*_angles(model))
    proto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT, 1)], ir_version=10
    )
    large = sum(len(tensor.raw_data) for tensor in proto.graph.initializer) > 2**31 - 2**24
    onnx.save_model(proto, file, save_as_external_data=large, location=f"{file.name}.data" if large else None)


def _angles(model: PreTrainedModel) -> tuple[Array, Array]:
    """Cosines and sines [context, rotary size / 2]."""
    rotary = model.model.rotary_emb
    positions = torch.arange(model.config.max_position_embeddings, dtype=torch.float32)
    angles = torch.outer(positions, rotary.inv_freq.float().cpu())
    scaling = float(getattr(rotary, "attention_scaling", 1.0))
    return (angles.cos() * scaling).numpy(), (angles.sin() * scaling).numpy()


@dataclass(slots=True)
class _Weights:
    """A model's weights by name. Every one must be asked for: one that is not belongs to a shape that is not covered."""

    tensors: dict[str, torch.Tensor]
    used: set[str] = field(default_factory=set)

    def get(self, name: str) -> Array | None:
        if name not in self.tensors:
            return None
        self.used.add(name)
        return self.tensors[name].float().cpu().numpy()

    def need(self, name: str) -> Array:
        found = self.get(name)
        if found is None:
            raise NotCovered(f"no weight {name}")
        return found

    def refuse_unused(self) -> None:
        unused = sorted(self.tensors.keys() - self.used)
        if unused:
            raise NotCovered(f"weight {unused[0]}")


@dataclass(slots=True)
class _Builder:
    shape: Shape
    weights: _Weights
    precision: Precision
    blocks: bool
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)
    named: int = 0

    def build(self, cosines: Array, sines: Array) -> onnx.GraphProto:
        """The whole graph."""
        shape = self.shape
        self.constant("cos", cosines)
        self.constant("sin", sines)
        self.constant("embedding", self.weights.need("model.embed_tokens.weight"))
        x = self.add("Gather", ["embedding", "input_ids"])
        if shape.embedding_scale != 1.0:
            x = self.add("Mul", [x, self.constant("embedding_scale", np.float32(shape.embedding_scale))])
        normed = self.add("SimplifiedLayerNormalization", [x, self.norm("model.layers.0.input_layernorm")], **self.normal)
        for layer in range(shape.layers):
            name = f"model.layers.{layer}"
            attended = self.attention(layer, normed)
            normed, x = self.skip_norm(x, attended, self.norm(f"{name}.post_attention_layernorm"))
            fed = self.feed_forward(f"{name}.mlp", normed)
            if layer + 1 < shape.layers:
                normed, x = self.skip_norm(x, fed, self.norm(f"model.layers.{layer + 1}.input_layernorm"))
            else:
                x = self.add("Add", [x, fed])
        # Only the wanted rows go on: the head is the largest product of all.
        flat = self.add("Reshape", [x, self.constant("flat", np.array([-1, shape.hidden], np.int64))])
        wanted = self.add("Gather", [flat, "rows"])
        normed = self.add("SimplifiedLayerNormalization", [wanted, self.norm("model.norm")], **self.normal)
        self.head(normed)
        self.weights.refuse_unused()
        return helper.make_graph(self.nodes, "decoder", list(self.inputs()), list(self.outputs()), self.initializers)

    def attention(self, layer: int, x: str) -> str:
        shape, name = self.shape, f"model.layers.{layer}.self_attn"
        projections = [f"{name}.{which}_proj" for which in "qkv"]
        joined = self.linear(f"{name}.qkv", projections, x)
        query, key, value = joined, "", ""
        if (q_norm := self.weights.get(f"{name}.q_norm.weight")) is not None:
            sizes = np.array([shape.heads, shape.key_value_heads, shape.key_value_heads], np.int64) * shape.head_size
            query, key, value = self.split(joined, sizes)
            query = self.head_norm(query, f"{name}.q_norm", q_norm, shape.heads)
            key = self.head_norm(key, f"{name}.k_norm", self.weights.need(f"{name}.k_norm.weight"), shape.key_value_heads)
        attended = self.add(
            "GroupQueryAttention",
            [query, key, value, f"past_key.{layer}", f"past_value.{layer}", "seqlens_k", "total_sequence_length", "cos", "sin"],
            [f"attended.{layer}", f"present_key.{layer}", f"present_value.{layer}"],
            domain=_MICROSOFT,
            num_heads=shape.heads,
            kv_num_heads=shape.key_value_heads,
            scale=shape.scale,
            do_rotary=1,
        )
        return self.linear(f"{name}.o", [f"{name}.o_proj"], attended)

    def feed_forward(self, name: str, x: str) -> str:
        # Two products: to split a joined one again takes longer than to bring their input to 8 bits twice.
        gate, up = (self.linear(f"{name}.{which}", [f"{name}.{which}_proj"], x) for which in ("gate", "up"))
        attributes: dict[str, Any] = {"alpha": 1.0} if self.shape.activation == "QuickGelu" else {}  # with alpha 1 it is SiLU
        active = self.add(self.shape.activation, [gate], domain=_MICROSOFT, **attributes)
        return self.linear(f"{name}.down", [f"{name}.down_proj"], self.add("Mul", [active, up]), outliers=True)

    def head(self, x: str) -> None:
        embedding = self.weights.need("model.embed_tokens.weight")
        own = self.weights.get("lm_head.weight")
        if "lm_head.bias" in self.weights.tensors:
            raise NotCovered("a bias on the head")
        weight = embedding if own is None or np.array_equal(own, embedding) else own
        if self.precision is Precision.INT8:
            self.product("head", weight, x, "logits")
        else:
            self.add("Gemm", [x, "embedding" if weight is embedding else self.constant("head", weight)], ["logits"], transB=1)

    def linear(self, name: str, parts: Sequence[str], x: str, *, outliers: bool = False) -> str:
        """The product with the parts' weights side by side, and their biases where they have them."""
        weight = np.concatenate([self.weights.need(f"{part}.weight") for part in parts])
        in_blocks = outliers and self.blocks and self.precision is Precision.INT8
        product = (self.blockwise_product if in_blocks else self.product)(name, weight, x)
        biases = [self.weights.get(f"{part}.bias") for part in parts]
        given = [bias for bias in biases if bias is not None]
        if not given:
            return product
        if len(given) < len(biases):
            raise NotCovered(f"a bias on some of {', '.join(parts)}")
        return self.add("Add", [product, self.constant(f"{name}.bias", np.concatenate(given))])

    def product(self, name: str, weight: Array, x: str, output: str | None = None) -> str:
        """The product with the transpose of a weight [outputs, inputs]."""
        outputs = [output] if output else None
        if self.precision is not Precision.INT8:
            return self.add("MatMul", [x, self.constant(f"{name}.weight", np.ascontiguousarray(weight.T))], outputs)
        scales = np.abs(weight).max(axis=1) / 127
        scales[scales == 0] = 1
        rounded = np.rint(weight / scales[:, None]).astype(np.int8)
        matrix = self.constant(f"{name}.weight", np.ascontiguousarray(rounded.T))
        scale = self.constant(f"{name}.scale", scales.astype(np.float32))
        return self.add("DynamicQuantizeMatMul", [x, matrix, scale], outputs, domain=_MICROSOFT)

    def blockwise_product(self, name: str, weight: Array, x: str) -> str:
        """The same with a scale for each block of inputs, of the weight and of what it multiplies."""
        outputs, inputs = weight.shape
        blocks = -(-inputs // _BLOCK)
        padded = np.zeros((outputs, blocks * _BLOCK), np.float32)
        padded[:, :inputs] = weight
        padded = padded.reshape(outputs, blocks, _BLOCK)
        scales = np.abs(padded).max(axis=2) / 127
        scales[scales == 0] = 1
        rounded = (np.rint(padded / scales[:, :, None]) + 128).astype(np.uint8)  # 128 is the operator's zero
        return self.add(
            "MatMulNBits",
            [x, self.constant(f"{name}.weight", rounded), self.constant(f"{name}.scale", scales.ravel())],
            domain=_MICROSOFT,
            N=outputs,
            K=inputs,
            bits=8,
            block_size=_BLOCK,
            accuracy_level=4,  # multiplies in int8
        )

    def head_norm(self, x: str, name: str, weight: Array, heads: int) -> str:
        size = self.shape.head_size
        by_head = self.add("Reshape", [x, self.constant(f"{name}.heads", np.array([0, 0, heads, size], np.int64))])
        normed = self.add(
            "SimplifiedLayerNormalization", [by_head, self.constant(name, weight + self.shape.norm_offset)], **self.normal
        )
        return self.add("Reshape", [normed, self.constant(f"{name}.joined", np.array([0, 0, heads * size], np.int64))])

    def skip_norm(self, x: str, added: str, weight: str) -> tuple[str, str]:
        """The sum, normed and as it is."""
        normed, total = self.fresh(), self.fresh()
        self.add(
            "SkipSimplifiedLayerNormalization",
            [x, added, weight],
            [normed, "", "", total],
            domain=_MICROSOFT,
            epsilon=self.shape.epsilon,
        )
        return normed, total

    def split(self, x: str, sizes: Array) -> list[str]:
        names = [self.fresh() for _ in sizes]
        self.add("Split", [x, self.constant(f"{names[0]}.sizes", sizes)], names, axis=-1)
        return names

    def norm(self, name: str) -> str:
        return self.constant(name, self.weights.need(f"{name}.weight") + np.float32(self.shape.norm_offset))

    @property
    def normal(self) -> dict[str, Any]:
        return {"axis": -1, "epsilon": self.shape.epsilon, "stash_type": 1}

    def constant(self, name: str, value: Array | np.float32) -> str:
        array = np.asarray(value)
        if self.precision is Precision.FP16 and array.dtype == np.float32:
            array = array.astype(np.float16)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def fresh(self) -> str:
        self.named += 1
        return f"value.{self.named}"

    def add(
        self, operator: str, inputs: Sequence[str], outputs: Sequence[str] | None = None, domain: str = "", **attributes: Any
    ) -> str:
        outputs = outputs or [self.fresh()]
        self.nodes.append(helper.make_node(operator, list(inputs), list(outputs), domain=domain, **attributes))
        return outputs[0]

    @property
    def number(self) -> int:
        """Type of logits, keys and values."""
        return int(TensorProto.FLOAT16 if self.precision is Precision.FP16 else TensorProto.FLOAT)

    def inputs(self) -> Iterable[onnx.ValueInfoProto]:
        yield helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "new"])
        yield helper.make_tensor_value_info("seqlens_k", TensorProto.INT32, ["batch"])
        yield helper.make_tensor_value_info("total_sequence_length", TensorProto.INT32, [])
        yield helper.make_tensor_value_info("rows", TensorProto.INT64, ["wanted"])
        yield from self.caches("past")

    def outputs(self) -> Iterable[onnx.ValueInfoProto]:
        vocabulary = self.weights.need("model.embed_tokens.weight").shape[0]
        yield helper.make_tensor_value_info("logits", self.number, ["wanted", vocabulary])
        yield from self.caches("present")

    def caches(self, when: str) -> Iterable[onnx.ValueInfoProto]:
        form = ["batch", self.shape.key_value_heads, "capacity", self.shape.head_size]
        for layer in range(self.shape.layers):
            for what in ("key", "value"):
                yield helper.make_tensor_value_info(f"{when}_{what}.{layer}", self.number, form)
