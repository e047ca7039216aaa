"""Builds the engine's own ONNX graph of a decoder, whose attention appends to KV slots in place.

The graph is made from a transformers model's weights, for the architectures of Llama, Mistral,
Qwen2, Qwen3 and Gemma. It has a few dozen fused nodes where a traced export has hundreds for each
layer. Its operators are those of ONNX and onnxruntime's contributed ones (``com.microsoft``).

One call prefills R tokens of a prompt into one KV slot, and decodes a token in each of B other
slots, which lie side by side. All tokens lie flat, those of the prompt first: what does not mix
tokens is computed for all of them at once. Inputs, with C the capacity of a slot:

- ``input_ids`` int64 [R + B];
- ``parts`` int64 [2]: R and B. R may be 0, B may not;
- ``past`` int64 [1]: tokens that the prompt's slot holds;
- ``wanted`` int64 [W]: which of the R tokens want logits;
- ``targets`` int64 [S], S at most W: the token that follows each of the first S wanted ones;
- ``reading_key.L``, ``reading_value.L`` [1, key/value heads, C, head size] for each layer L: the
  prompt's slot;
- ``seqlens_k`` int32 [B]: tokens that each decoding slot holds;
- ``total_sequence_length`` int32 []: one more than the most of them;
- ``past_key.L``, ``past_value.L`` [B, key/value heads, C, head size]: the decoding slots.

Outputs: ``nats`` float32 [S], the negative log-probability of each target; ``logits``
[W - S + B, vocabulary] after the other wanted tokens and the decoded ones; ``read_key.L``,
``read_value.L``, ``present_key.L`` and ``present_value.L``, to be bound to the memory of the inputs
of the same kind. The logits of targets stay inside the graph, where they take 4 bytes a number.

Decoding slots use GroupQueryAttention, which applies the rotary embedding, appends in place and
takes the length of each slot. The prompt uses ONNX's Attention, or in fp16 plain products, over its
slot, which TensorScatter appends to: on a CPU that is 1.6 times as fast for many tokens. The last
layer computes attention for the wanted tokens only; the others need keys and values alone.

In int8, the matrices of linear layers have 8 bits a weight, and their inputs are quantized on the
way (``linear.py``). The model must have been rotated, so that one scale is enough
(``rotation.py``). Keys and values are kept in 8 bits (``attention.py``). Embedding, norms and
attention stay fp32. In fp16 everything is fp16; norms compute in fp32.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from transformers import PreTrainedModel

from models.export.graph.attention import Attention, QueryTokens
from models.export.graph.decoder_config import DecoderConfig
from models.export.graph.equalization import AbsmaxRanges
from models.export.graph.linear import Linear, Rows
from models.export.graph.nodes import MICROSOFT, Array, Nodes
from models.export.graph.weights import Weights
from models.precision import Precision
from schemas.errors import UnsupportedArchitecture

_OPSET = 24


def build(
    model: PreTrainedModel,
    file: Path,
    precision: Precision = Precision.FP32,
    *,
    kv_ranges: AbsmaxRanges | None = None,
) -> None:
    """Write the graph of ``model``.

    In int8 the model must have been rotated (see ``rotate``). Keys and values are kept in 8 bits
    where their ``kv_ranges`` are given (see ``equalize``). Raises UnsupportedArchitecture before
    anything is written, and ValueError in int8 for a model that was not rotated.
    """
    nodes, config = Nodes(precision), DecoderConfig.of(model)
    weights = Weights(dict(model.state_dict()))
    builder = _DecoderBuilder(
        nodes,
        config,
        weights,
        Linear(nodes, weights),
        Attention(nodes, config, kv_ranges),
    )
    graph = builder.build(*_angles(model, config))
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


@dataclass(frozen=True, slots=True)
class _DecoderBuilder:
    nodes: Nodes
    config: DecoderConfig
    weights: Weights
    linear: Linear
    attention: Attention

    def build(self, cosines: Array, sines: Array) -> onnx.GraphProto:
        """The whole graph, with the tables of the rotary embedding [context, rotary size / 2]."""
        config = self.config
        self.nodes.constant("cos", cosines)
        self.nodes.constant("sin", sines)
        self.nodes.constant("embedding", self.weights.need("model.embed_tokens.weight"))
        every, wanted = self.attention.query_tokens()
        x = self.nodes.add("Gather", ["embedding", "input_ids"])
        if config.embedding_scale != 1.0:
            x = self.nodes.add(
                "Mul",
                [x, self.nodes.constant("embedding_scale", np.float32(config.embedding_scale))],
            )
        normed = self.normed(x, self.norm("model.layers.0.input_layernorm"))
        for layer in range(config.layers):
            name = f"model.layers.{layer}"
            last = layer + 1 == config.layers
            attended = (
                self.last_attention_block(layer, normed, every, wanted)
                if last
                else self.attention_block(layer, normed, every)
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
            self.nodes.nodes,
            "decoder",
            list(self.inputs()),
            list(self.outputs()),
            [*self.nodes.initializers.values()],
        )

    def only_wanted(self, x: str) -> str:
        """[R + B, ...] to [W + B, ...]."""
        prompt, decoding = self.nodes.split_tokens(x, "parts")
        return self.nodes.add(
            "Concat", [self.nodes.add("Gather", [prompt, "wanted"]), decoding], axis=0
        )

    def attention_block(self, layer: int, x: str, every: QueryTokens) -> str:
        """[R + B, hidden]: attention of every token."""
        config, name = self.config, f"model.layers.{layer}.self_attn"
        joined = self.linear.layer(
            f"{name}.qkv", [f"{name}.{which}_proj" for which in "qkv"], x, Rows.NORMED
        )
        sizes = (
            np.array([config.heads, config.key_value_heads, config.key_value_heads], np.int64)
            * config.head_size
        )
        query, key, value = self.nodes.split(joined, sizes)
        return self.projected_attention(layer, query, key, value, every, every)

    def last_attention_block(
        self, layer: int, x: str, every: QueryTokens, wanted: QueryTokens
    ) -> str:
        """[W + B, hidden]: attention of the wanted and of the decoding tokens."""
        config, name = self.config, f"model.layers.{layer}.self_attn"
        query = self.linear.layer(f"{name}.q", [f"{name}.q_proj"], self.only_wanted(x), Rows.NORMED)
        joined = self.linear.layer(
            f"{name}.kv", [f"{name}.{which}_proj" for which in "kv"], x, Rows.NORMED
        )
        key, value = self.nodes.split(
            joined, np.array([config.key_value_heads] * 2, np.int64) * config.head_size
        )
        return self.projected_attention(layer, query, key, value, every, wanted)

    def projected_attention(
        self, layer: int, query: str, key: str, value: str, every: QueryTokens, queried: QueryTokens
    ) -> str:
        """Attention of queries [.. + B, heads * size], and the output projection."""
        config, name = self.config, f"model.layers.{layer}.self_attn"
        if (q_norm := self.weights.get(f"{name}.q_norm.weight")) is not None:
            query = self.head_norm(query, f"{name}.q_norm", q_norm, config.heads)
            key = self.head_norm(
                key,
                f"{name}.k_norm",
                self.weights.need(f"{name}.k_norm.weight"),
                config.key_value_heads,
            )
        attended = self.attention.attend(layer, query, key, value, every, queried)
        return self.linear.layer(f"{name}.o", [f"{name}.o_proj"], attended, Rows.PLAIN)

    def feed_forward(self, name: str, x: str) -> str:
        # Two products: splitting a joint one takes longer than quantizing their input twice.
        gate, up = (
            self.linear.layer(f"{name}.{which}", [f"{name}.{which}_proj"], x, Rows.NORMED)
            for which in ("gate", "up")
        )
        attributes: dict[str, Any] = (
            {"alpha": 1.0} if self.config.activation == "QuickGelu" else {}
        )  # with alpha 1 it is SiLU
        active = self.nodes.add(self.config.activation, [gate], domain=MICROSOFT, **attributes)
        return self.linear.layer(
            f"{name}.down",
            [f"{name}.down_proj"],
            self.nodes.add("Mul", [active, up]),
            Rows.OUTLIERS,
        )

    def head(self, x: str) -> None:
        embedding = self.weights.need("model.embed_tokens.weight")
        own = self.weights.get("lm_head.weight")
        if "lm_head.bias" in self.weights.tensors:
            raise UnsupportedArchitecture("a bias on the head")
        weight = embedding if own is None or np.array_equal(own, embedding) else own
        if self.nodes.precision is Precision.INT8:
            every = self.linear.product("head", weight, x, Rows.NORMED)
        else:
            matrix = "embedding" if weight is embedding else self.nodes.constant("head", weight)
            every = self.nodes.add("Gemm", [x, matrix], transB=1)
        self.targets(every)

    def targets(self, every: str) -> None:
        """Both outputs of the head, from ``every`` [W + B, vocabulary], whose first S are scored.

        Nothing is computed where S is 0. LogSoftmax takes less time on a CPU than ReduceLogSumExp,
        and less than to copy the S rows first.
        """
        scored = self.nodes.add("Shape", ["targets"])
        rest = [scored, self.nodes.integers(2**31 - 1), self.nodes.integers(0)]
        self.nodes.add("Slice", [every, *rest], ["logits"])
        self.nodes.add(
            "If",
            [self.nodes.add("Cast", [scored], to=TensorProto.BOOL)],
            ["nats"],
            then_branch=_branch(
                [
                    helper.make_node("Cast", [every], ["precise"], to=TensorProto.FLOAT),
                    helper.make_node("LogSoftmax", ["precise"], ["log_probabilities"], axis=-1),
                    helper.make_node("Unsqueeze", ["targets", self.nodes.integers(1)], ["ids"]),
                    helper.make_node(
                        "GatherElements", ["log_probabilities", "ids"], ["column"], axis=1
                    ),
                    helper.make_node("Squeeze", ["column", self.nodes.integers(1)], ["found"]),
                    helper.make_node("Neg", ["found"], ["some"]),
                ]
            ),
            else_branch=_branch(
                [helper.make_node("Cast", ["targets"], ["none"], to=TensorProto.FLOAT)]
            ),
        )

    def head_norm(self, x: str, name: str, weight: Array, heads: int) -> str:
        size = self.config.head_size
        by_head = self.nodes.reshape(x, (-1, heads, size))
        normed = self.normed(by_head, self.nodes.constant(name, weight + self.config.norm_offset))
        return self.nodes.reshape(normed, (-1, heads * size))

    def add_and_norm(self, x: str, added: str, weight: str) -> tuple[str, str]:
        """The normed sum, and the sum.

        SkipSimplifiedLayerNormalization, one node for both, takes three times as long on a CPU.
        """
        total = self.nodes.add("Add", [x, added])
        return self.normed(total, weight), total

    def norm(self, name: str) -> str:
        weight = self.weights.need(f"{name}.weight") + np.float32(self.config.norm_offset)
        if self.nodes.precision is Precision.INT8 and not np.all(weight == 1):
            raise ValueError(f"{name} has weights: rotate a model before its int8 graph is built")
        return self.nodes.constant(name, weight)

    def normed(self, x: str, weight: str) -> str:
        return self.nodes.add(
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
        yield helper.make_tensor_value_info("targets", TensorProto.INT64, ["targets"])
        yield helper.make_tensor_value_info("seqlens_k", TensorProto.INT32, ["rows"])
        yield helper.make_tensor_value_info("total_sequence_length", TensorProto.INT32, [])
        yield from self.caches("past", "rows")
        yield from self.caches("reading", 1)

    def outputs(self) -> Iterable[onnx.ValueInfoProto]:
        vocabulary = self.weights.need("model.embed_tokens.weight").shape[0]
        yield helper.make_tensor_value_info("logits", self.nodes.float_type, ["asked", vocabulary])
        yield helper.make_tensor_value_info("nats", TensorProto.FLOAT, ["targets"])
        yield from self.caches("present", "rows")
        yield from self.caches("read", 1)

    def caches(self, when: str, slots: str | int) -> Iterable[onnx.ValueInfoProto]:
        shape = [slots, self.config.key_value_heads, "capacity", self.config.head_size]
        for layer in range(self.config.layers):
            for what in ("key", "value"):
                yield helper.make_tensor_value_info(
                    f"{when}_{what}.{layer}", self.attention.kv_type, shape
                )


def _branch(nodes: list[onnx.NodeProto]) -> onnx.GraphProto:
    """A branch of an If, whose last node gives float32 [targets]."""
    name = nodes[-1].output[0]
    output = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["targets"])
    return helper.make_graph(nodes, name, [], [output])
