"""Builds the engine's own ONNX graph of a decoder: attention over rows of keys and values that are
appended in place.

The graph is made from a transformers model's weights, for decoders shaped as Llama, Mistral, Qwen2,
Qwen3 and Gemma: a few dozen fused nodes for each layer's hundreds in a traced export. The operators
are onnxruntime's contributed ones (``com.microsoft``) and those of ONNX.

One call reads R tokens of a prompt into one row, and decodes a token in each of B other rows, which
lie side by side. All tokens lie flat, those of the prompt first: what does not mix tokens is
computed for all of them at once. Inputs, with C the capacity of a row:

- ``input_ids`` int64 [R + B]; ``parts`` int64 [2]: R and B. R may be 0, B may not;
- ``past`` int64 [1]: tokens that the prompt's row holds; ``wanted`` int64 [W]: which of the R want logits;
- ``reading_key.L``, ``reading_value.L`` [1, key/value heads, C, head size] for each layer L: the prompt's row;
- ``seqlens_k`` int32 [B]: tokens that each decoding row holds; ``total_sequence_length`` int32 []: one more than the most;
- ``past_key.L``, ``past_value.L`` [B, key/value heads, C, head size]: the decoding rows.

Rows that decode attend by GroupQueryAttention, which applies the rotary embedding, appends in place
and knows each row's length. The prompt attends by plain products over its row (TensorScatter
appends): on a CPU that is 1.6 times as fast for many tokens. The last layer asks only for what is
wanted; of the other tokens keys and values are enough.

In int8 the matrices are 8 bits a weight with a scale for each output (DynamicQuantizeMatMul); what
they multiply is brought to 8 bits on the way, by one scale for all rows of a call. What the last
product of a feed-forward multiplies has outliers that one scale does not bear: either they were
moved into the weights before (``smoothing.py``), or, with ``blocks``, that product has a scale for
every 64 numbers on both sides (MatMulNBits), which is slower. Keys and values are kept in 8 bits
(``attention.py``). Embedding, norms and shares stay fp32. In fp16 everything is fp16; norms compute
in fp32.

Outputs: ``logits`` [W + B, vocabulary]; ``read_key.L``, ``read_value.L``, ``present_key.L``,
``present_value.L``, to be bound to the memory of what was read and past.
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
from models.export.graph.attention import Attention, Queries
from models.export.graph.decoder_config import DecoderConfig
from models.export.graph.equalization import AbsmaxRanges
from models.export.graph.nodes import MICROSOFT, Array
from schemas.errors import UnsupportedArchitecture

_OPSET = 24


def build(
    model: PreTrainedModel,
    file: Path,
    precision: Precision = Precision.FP32,
    *,
    kv_ranges: AbsmaxRanges | None = None,
    blocks: bool = False,
) -> None:
    """Write the graph of ``model``.

    In int8, keys and values are kept in 8 bits where their ``kv_ranges`` are given (see
    ``equalize``). ``blocks``: see above. Raises UnsupportedArchitecture before anything is written.
    """
    builder = _Builder(
        precision, DecoderConfig.of(model), kv_ranges, _Weights(dict(model.state_dict())), blocks
    )
    graph = builder.build(*_angles(model, builder.config))
    proto = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(MICROSOFT, 1)],
        ir_version=10,
    )
    large = sum(len(tensor.raw_data) for tensor in proto.graph.initializer) > 2**31 - 2**24
    onnx.save_model(
        proto, file, save_as_external_data=large, location=f"{file.name}.data" if large else None
    )


def _angles(model: PreTrainedModel, config: DecoderConfig) -> tuple[Array, Array]:
    """Cosines and sines [context, rotary size / 2]."""
    positions = torch.arange(model.config.max_position_embeddings, dtype=torch.float32)
    angles = torch.outer(positions, model.model.rotary_emb.inv_freq.float().cpu())
    return (angles.cos() * config.rotary_scale).numpy(), (
        angles.sin() * config.rotary_scale
    ).numpy()


@dataclass(slots=True)
class _Weights:
    """A model's weights by name. Every one must be asked for: one that is not belongs to a shape
    that is not covered.
    """

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
            raise UnsupportedArchitecture(f"no weight {name}")
        return found

    def refuse_unused(self) -> None:
        unused = sorted(self.tensors.keys() - self.used)
        if unused:
            raise UnsupportedArchitecture(f"weight {unused[0]}")


@dataclass(slots=True)
class _Builder(Attention):
    weights: _Weights
    blocks: bool

    def build(self, cosines: Array, sines: Array) -> onnx.GraphProto:
        """The whole graph."""
        config = self.config
        self.constant("cos", cosines)
        self.constant("sin", sines)
        self.constant("embedding", self.weights.need("model.embed_tokens.weight"))
        every, wanted = self.queries()
        x = self.add("Gather", ["embedding", "input_ids"])
        if config.embedding_scale != 1.0:
            x = self.add(
                "Mul", [x, self.constant("embedding_scale", np.float32(config.embedding_scale))]
            )
        normed = self.normed(x, self.norm("model.layers.0.input_layernorm"))
        for layer in range(config.layers):
            name = f"model.layers.{layer}"
            last = layer + 1 == config.layers
            attended = (
                self.last_attention(layer, normed, every, wanted)
                if last
                else self.attention(layer, normed, every)
            )
            x = self.only_wanted(x) if last else x
            normed, x = self.add_and_norm(
                x, attended, self.norm(f"{name}.post_attention_layernorm")
            )
            fed = self.feed_forward(f"{name}.mlp", normed)
            following = "model.norm" if last else f"model.layers.{layer + 1}.input_layernorm"
            normed, x = self.add_and_norm(x, fed, self.norm(following))
        self.head(normed)
        self.weights.refuse_unused()
        return helper.make_graph(
            self.nodes,
            "decoder",
            list(self.inputs()),
            list(self.outputs()),
            [*self.initializers.values()],
        )

    def only_wanted(self, x: str) -> str:
        """[R + B, ...] to [W + B, ...]."""
        read, decoded = self.parted(x, "parts")
        return self.add("Concat", [self.add("Gather", [read, "wanted"]), decoded], axis=0)

    def attention(self, layer: int, x: str, every: Queries) -> str:
        """[R + B, hidden]: what every token gathers."""
        config, name = self.config, f"model.layers.{layer}.self_attn"
        joined = self.linear(f"{name}.qkv", [f"{name}.{which}_proj" for which in "qkv"], x)
        sizes = (
            np.array([config.heads, config.key_value_heads, config.key_value_heads], np.int64)
            * config.head_size
        )
        query, key, value = self.split(joined, sizes)
        return self.attend(layer, query, key, value, every, every)

    def last_attention(self, layer: int, x: str, every: Queries, wanted: Queries) -> str:
        """[W + B, hidden]: what the wanted tokens gather, and those that decode."""
        config, name = self.config, f"model.layers.{layer}.self_attn"
        query = self.linear(f"{name}.q", [f"{name}.q_proj"], self.only_wanted(x))
        joined = self.linear(f"{name}.kv", [f"{name}.{which}_proj" for which in "kv"], x)
        key, value = self.split(
            joined, np.array([config.key_value_heads] * 2, np.int64) * config.head_size
        )
        return self.attend(layer, query, key, value, every, wanted)

    def attend(
        self, layer: int, query: str, key: str, value: str, every: Queries, asking: Queries
    ) -> str:
        """Queries [.. + B, heads * size] over the keys and values of their own rows, which [R + B,
        ...] are appended to.
        """
        config, name = self.config, f"model.layers.{layer}.self_attn"
        if (q_norm := self.weights.get(f"{name}.q_norm.weight")) is not None:
            query = self.head_norm(query, f"{name}.q_norm", q_norm, config.heads)
            key = self.head_norm(
                key,
                f"{name}.k_norm",
                self.weights.need(f"{name}.k_norm.weight"),
                config.key_value_heads,
            )
        attended = self.attended(layer, query, key, value, every, asking)
        return self.linear(f"{name}.o", [f"{name}.o_proj"], attended)

    def feed_forward(self, name: str, x: str) -> str:
        # Two products: to split a joined one again takes longer than to bring their input to 8 bits
        # twice.
        gate, up = (
            self.linear(f"{name}.{which}", [f"{name}.{which}_proj"], x) for which in ("gate", "up")
        )
        attributes: dict[str, Any] = (
            {"alpha": 1.0} if self.config.activation == "QuickGelu" else {}
        )  # with alpha 1 it is SiLU
        active = self.add(self.config.activation, [gate], domain=MICROSOFT, **attributes)
        return self.linear(
            f"{name}.down", [f"{name}.down_proj"], self.add("Mul", [active, up]), outliers=True
        )

    def head(self, x: str) -> None:
        embedding = self.weights.need("model.embed_tokens.weight")
        own = self.weights.get("lm_head.weight")
        if "lm_head.bias" in self.weights.tensors:
            raise UnsupportedArchitecture("a bias on the head")
        weight = embedding if own is None or np.array_equal(own, embedding) else own
        if self.precision is Precision.INT8:
            self.product("head", weight, x, "logits")
        else:
            self.add(
                "Gemm",
                [x, "embedding" if weight is embedding else self.constant("head", weight)],
                ["logits"],
                transB=1,
            )

    def linear(self, name: str, parts: Sequence[str], x: str, *, outliers: bool = False) -> str:
        """The product with the parts' weights side by side, and their biases where they have
        them.
        """
        weight = np.concatenate([self.weights.need(f"{part}.weight") for part in parts])
        in_blocks = outliers and self.blocks and self.precision is Precision.INT8
        product = (self.blockwise_product if in_blocks else self.product)(name, weight, x)
        biases = [self.weights.get(f"{part}.bias") for part in parts]
        given = [bias for bias in biases if bias is not None]
        if not given:
            return product
        if len(given) < len(biases):
            raise UnsupportedArchitecture(f"a bias on some of {', '.join(parts)}")
        return self.add("Add", [product, self.constant(f"{name}.bias", np.concatenate(given))])

    def head_norm(self, x: str, name: str, weight: Array, heads: int) -> str:
        size = self.config.head_size
        by_head = self.reshape(x, (-1, heads, size))
        normed = self.normed(by_head, self.constant(name, weight + self.config.norm_offset))
        return self.reshape(normed, (-1, heads * size))

    def add_and_norm(self, x: str, added: str, weight: str) -> tuple[str, str]:
        """The sum, normed and as it is. As one node, SkipSimplifiedLayerNormalization, it takes a
        CPU three times as long.
        """
        total = self.add("Add", [x, added])
        return self.normed(total, weight), total

    def norm(self, name: str) -> str:
        return self.constant(
            name, self.weights.need(f"{name}.weight") + np.float32(self.config.norm_offset)
        )

    def normed(self, x: str, weight: str) -> str:
        return self.add(
            "SimplifiedLayerNormalization",
            [x, weight],
            axis=-1,
            epsilon=self.config.epsilon,
            stash_type=1,
        )

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
        form = [rows, self.config.key_value_heads, "capacity", self.config.head_size]
        for layer in range(self.config.layers):
            for what in ("key", "value"):
                yield helper.make_tensor_value_info(f"{when}_{what}.{layer}", self.kept, form)
