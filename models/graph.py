"""Builds the engine's own ONNX graph of a decoder: attention over rows of keys and values that are appended in place.

The graph is made from a transformers model's weights, for decoders shaped as Llama, Mistral, Qwen2, Qwen3 and Gemma: a few
dozen fused nodes for each layer's hundreds in a traced export. The operators are onnxruntime's contributed ones
(``com.microsoft``) and those of ONNX.

One call reads R tokens of a prompt into one row, and decodes a token in each of B other rows, which lie side by side. All
tokens lie flat, those of the prompt first: what does not mix tokens is computed for all of them at once. Inputs, with C the
capacity of a row:

- ``input_ids`` int64 [R + B]; ``parts`` int64 [2]: R and B. R may be 0, B may not;
- ``past`` int64 [1]: tokens that the prompt's row holds; ``wanted`` int64 [W]: which of the R want logits;
- ``reading_key.L``, ``reading_value.L`` [1, key/value heads, C, head size] for each layer L: the prompt's row;
- ``seqlens_k`` int32 [B]: tokens that each decoding row holds; ``total_sequence_length`` int32 []: one more than the most;
- ``past_key.L``, ``past_value.L`` [B, key/value heads, C, head size]: the decoding rows.

Rows that decode attend by GroupQueryAttention, which applies the rotary embedding, appends in place and knows each row's
length. The prompt attends by plain products over its row (TensorScatter appends): on a CPU that is 1.6 times as fast for
many tokens. The last layer asks only for what is wanted; of the other tokens keys and values are enough.

In int8 the matrices are 8 bits a weight with a scale for each output (DynamicQuantizeMatMul); what they multiply is
brought to 8 bits on the way, by one scale for all rows of a call. What the last product of a feed-forward multiplies has
outliers that one scale does not bear: either they were moved into the weights before (``models/smoothing.py``), or, with
``blocks``, that product has a scale for every 64 numbers on both sides (MatMulNBits), which is slower.
Embedding, norms and attention stay fp32. In fp16 everything is fp16; norms compute in fp32.

Outputs: ``logits`` [W + B, vocabulary]; ``read_key.L``, ``read_value.L``, ``present_key.L``, ``present_value.L``, to be bound
to the memory of what was read and past.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from transformers import PreTrainedModel

from models.engine.precision import Precision
from models.nodes import MICROSOFT, Array, Nodes
from schemas.errors import NotCovered

_SHAPES = ("llama", "mistral", "qwen2", "qwen3", "gemma")
_ROTARY = ("default", "linear", "llama3", "yarn")
"""Kinds of rotary embedding whose angles do not depend on the length of the text."""
_HEAD_MULTIPLE = 16
"""What onnxruntime's attention asks of a head's size where it applies the rotary embedding."""
_OPSET = 24


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
    builder = _Builder(precision, Shape.of(model), _Weights(dict(model.state_dict())), blocks)
    graph = builder.build(*_angles(model))
    proto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(MICROSOFT, 1)], ir_version=10
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


@dataclass(frozen=True, slots=True)
class _Queries:
    """Names of what is known of some tokens of the prompt: where they stand, what they may see, and how many beside B."""

    positions: str
    """[1, tokens]."""
    mask: str
    """[heads that share keys * tokens, past and new ones]: 0, or minus infinity for what comes later."""
    parts: str
    """[2]."""


@dataclass(slots=True)
class _Builder(Nodes):
    shape: Shape
    weights: _Weights
    blocks: bool

    def build(self, cosines: Array, sines: Array) -> onnx.GraphProto:
        """The whole graph."""
        shape = self.shape
        self.constant("cos", cosines)
        self.constant("sin", sines)
        self.constant("embedding", self.weights.need("model.embed_tokens.weight"))
        every, wanted = self.queries()
        x = self.add("Gather", ["embedding", "input_ids"])
        if shape.embedding_scale != 1.0:
            x = self.add("Mul", [x, self.constant("embedding_scale", np.float32(shape.embedding_scale))])
        normed = self.add("SimplifiedLayerNormalization", [x, self.norm("model.layers.0.input_layernorm")], **self.normal)
        for layer in range(shape.layers):
            name = f"model.layers.{layer}"
            last = layer + 1 == shape.layers
            attended = self.last_attention(layer, normed, every, wanted) if last else self.attention(layer, normed, every)
            x = self.only_wanted(x) if last else x
            normed, x = self.skip_norm(x, attended, self.norm(f"{name}.post_attention_layernorm"))
            fed = self.feed_forward(f"{name}.mlp", normed)
            normed, x = self.skip_norm(x, fed, self.norm("model.norm" if last else f"model.layers.{layer + 1}.input_layernorm"))
        self.head(normed)
        self.weights.refuse_unused()
        return helper.make_graph(self.nodes, "decoder", list(self.inputs()), list(self.outputs()), [*self.initializers.values()])

    def queries(self) -> tuple[_Queries, _Queries]:
        """All tokens of the prompt, and the wanted ones."""
        first, second, third = (self.integers(number) for number in range(3))
        start, one = self.scalar(0), self.scalar(1)
        end = self.add("Add", ["past", self.add("Slice", ["parts", first, second])], ["end"])
        positions = self.add("Range", [self.reshape("past", ()), self.reshape(end, ()), one])
        keys = self.add("Range", [start, self.reshape(end, ()), one])
        seen = self.add("LessOrEqual", [keys, self.add("Unsqueeze", [positions, second])])
        values = (self.constant(name, np.float32(value)) for name, value in (("seen", 0), ("unseen", -np.inf)))
        mask = self.add("Where", [seen, *values])
        positions = self.add("Unsqueeze", [positions, first])
        count = self.add("Concat", [self.add("Shape", ["wanted"]), self.add("Slice", ["parts", second, third])], axis=0)
        return (
            _Queries(positions, self.for_each_head(mask), "parts"),
            _Queries(
                self.add("Gather", [positions, "wanted"], axis=1), self.for_each_head(self.add("Gather", [mask, "wanted"])), count
            ),
        )

    def for_each_head(self, mask: str) -> str:
        """A mask below itself once more for each further head that shares the same keys."""
        sharing = self.shape.heads // self.shape.key_value_heads
        return self.add("Concat", [mask] * sharing, axis=0) if sharing > 1 else mask

    def only_wanted(self, x: str) -> str:
        """[R + B, ...] to [W + B, ...]."""
        read, decoded = self.parted(x, "parts")
        return self.add("Concat", [self.add("Gather", [read, "wanted"]), decoded], axis=0)

    def attention(self, layer: int, x: str, every: _Queries) -> str:
        """[R + B, hidden]: what every token gathers."""
        shape, name = self.shape, f"model.layers.{layer}.self_attn"
        joined = self.linear(f"{name}.qkv", [f"{name}.{which}_proj" for which in "qkv"], x)
        sizes = np.array([shape.heads, shape.key_value_heads, shape.key_value_heads], np.int64) * shape.head_size
        query, key, value = self.split(joined, sizes)
        return self.attend(layer, query, key, value, every, every)

    def last_attention(self, layer: int, x: str, every: _Queries, wanted: _Queries) -> str:
        """[W + B, hidden]: what the wanted tokens gather, and those that decode."""
        shape, name = self.shape, f"model.layers.{layer}.self_attn"
        query = self.linear(f"{name}.q", [f"{name}.q_proj"], self.only_wanted(x))
        joined = self.linear(f"{name}.kv", [f"{name}.{which}_proj" for which in "kv"], x)
        key, value = self.split(joined, np.array([shape.key_value_heads] * 2, np.int64) * shape.head_size)
        return self.attend(layer, query, key, value, every, wanted)

    def attend(self, layer: int, query: str, key: str, value: str, every: _Queries, asking: _Queries) -> str:
        """Queries [.. + B, heads * size] over the keys and values of their own rows, which [R + B, ...] are appended to."""
        shape, name = self.shape, f"model.layers.{layer}.self_attn"
        if (q_norm := self.weights.get(f"{name}.q_norm.weight")) is not None:
            query = self.head_norm(query, f"{name}.q_norm", q_norm, shape.heads)
            key = self.head_norm(key, f"{name}.k_norm", self.weights.need(f"{name}.k_norm.weight"), shape.key_value_heads)
        (read_query, query), (read_key, key), (read_value, value) = (
            self.parted(query, asking.parts),
            self.parted(key, every.parts),
            self.parted(value, every.parts),
        )
        decoded = self.attend_in_rows(layer, query, key, value)
        keys = self.appended("key", layer, self.rotated(self.by_head(read_key, shape.key_value_heads), every))
        values = self.appended("value", layer, self.by_head(read_value, shape.key_value_heads))
        read = self.attend_in_prompt(self.rotated(self.by_head(read_query, shape.heads), asking), keys, values, asking)
        return self.linear(f"{name}.o", [f"{name}.o_proj"], self.add("Concat", [read, decoded], axis=0))

    def attend_in_rows(self, layer: int, query: str, key: str, value: str) -> str:
        shape = self.shape
        new = [
            self.reshape(each, (-1, 1, heads * shape.head_size))
            for each, heads in ((query, shape.heads), (key, shape.key_value_heads), (value, shape.key_value_heads))
        ]
        attended = self.add(
            "GroupQueryAttention",
            [*new, f"past_key.{layer}", f"past_value.{layer}", "seqlens_k", "total_sequence_length", "cos", "sin"],
            [f"attended.{layer}", f"present_key.{layer}", f"present_value.{layer}"],
            domain=MICROSOFT,
            num_heads=shape.heads,
            kv_num_heads=shape.key_value_heads,
            scale=shape.scale,
            do_rotary=1,
        )
        return self.reshape(attended, (-1, shape.heads * shape.head_size))

    def attend_in_prompt(self, query: str, keys: str, values: str, asking: _Queries) -> str:
        shape = self.shape
        # Heads that share keys are one product with them.
        query = self.reshape(query, (1, shape.key_value_heads, -1, shape.head_size))
        scores = self.add("FusedMatMul", [query, keys], domain=MICROSOFT, transB=1, alpha=shape.scale)
        shares = self.add("Softmax", [self.add("Add", [scores, asking.mask])], axis=-1)
        attended = self.reshape(self.add("MatMul", [shares, values]), (1, shape.heads, -1, shape.head_size))
        return self.reshape(self.add("Transpose", [attended], perm=[0, 2, 1, 3]), (-1, shape.heads * shape.head_size))

    def by_head(self, x: str, heads: int) -> str:
        """[tokens, heads * size] to [1, heads, tokens, size]."""
        return self.add("Transpose", [self.reshape(x, (1, -1, heads, self.shape.head_size))], perm=[0, 2, 1, 3])

    def rotated(self, x: str, where: _Queries) -> str:
        return self.add("RotaryEmbedding", [x, where.positions, "cos", "sin"], domain=MICROSOFT)

    def appended(self, what: str, layer: int, new: str) -> str:
        """All that the prompt's row holds then."""
        row = self.add("TensorScatter", [f"reading_{what}.{layer}", new, "past"], [f"read_{what}.{layer}"])
        return self.add("Slice", [row, self.integers(0), "end", self.integers(2)])

    def parted(self, x: str, parts: str) -> tuple[str, str]:
        """What belongs to the prompt, and what to the rows that decode."""
        read, decoded = self.fresh(), self.fresh()
        self.add("Split", [x, parts], [read, decoded], axis=0)
        return read, decoded

    def feed_forward(self, name: str, x: str) -> str:
        # Two products: to split a joined one again takes longer than to bring their input to 8 bits twice.
        gate, up = (self.linear(f"{name}.{which}", [f"{name}.{which}_proj"], x) for which in ("gate", "up"))
        attributes: dict[str, Any] = {"alpha": 1.0} if self.shape.activation == "QuickGelu" else {}  # with alpha 1 it is SiLU
        active = self.add(self.shape.activation, [gate], domain=MICROSOFT, **attributes)
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

    def head_norm(self, x: str, name: str, weight: Array, heads: int) -> str:
        size = self.shape.head_size
        by_head = self.reshape(x, (-1, heads, size))
        normed = self.add(
            "SimplifiedLayerNormalization", [by_head, self.constant(name, weight + self.shape.norm_offset)], **self.normal
        )
        return self.reshape(normed, (-1, heads * size))

    def skip_norm(self, x: str, added: str, weight: str) -> tuple[str, str]:
        """The sum, normed and as it is."""
        normed, total = self.fresh(), self.fresh()
        self.add(
            "SkipSimplifiedLayerNormalization",
            [x, added, weight],
            [normed, "", "", total],
            domain=MICROSOFT,
            epsilon=self.shape.epsilon,
        )
        return normed, total

    def norm(self, name: str) -> str:
        return self.constant(name, self.weights.need(f"{name}.weight") + np.float32(self.shape.norm_offset))

    @property
    def normal(self) -> dict[str, Any]:
        return {"axis": -1, "epsilon": self.shape.epsilon, "stash_type": 1}

    def inputs(self) -> Iterable[onnx.ValueInfoProto]:
        yield helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["tokens"])
        yield helper.make_tensor_value_info("parts", TensorProto.INT64, [2])
        yield helper.make_tensor_value_info("past", TensorProto.INT64, [1])
        yield helper.make_tensor_value_info("wanted", TensorProto.INT64, ["wanted"])
        yield helper.make_tensor_value_info("seqlens_k", TensorProto.INT32, ["rows"])
        yield helper.make_tensor_value_info("total_sequence_length", TensorProto.INT32, [])
        yield from self.caches("past", "rows")
        yield from self.caches("reading", 1)

    def outputs(self) -> Iterable[onnx.ValueInfoProto]:
        vocabulary = self.weights.need("model.embed_tokens.weight").shape[0]
        yield helper.make_tensor_value_info("logits", self.number, ["asked", vocabulary])
        yield from self.caches("present", "rows")
        yield from self.caches("read", 1)

    def caches(self, when: str, rows: str | int) -> Iterable[onnx.ValueInfoProto]:
        form = [rows, self.shape.key_value_heads, "capacity", self.shape.head_size]
        for layer in range(self.shape.layers):
            for what in ("key", "value"):
                yield helper.make_tensor_value_info(f"{when}_{what}.{layer}", self.number, form)
