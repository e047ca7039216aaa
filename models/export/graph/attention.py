"""ONNX nodes of attention: of a prompt over its KV slot, and of the decoding slots over theirs.

In int8, keys and values are kept in 8 bits, with one scale a layer for each. The products with them
are fp32. Queries in 8 bits lose as much as all linear layers together, and an attention weight that
is spread over a long text would round to 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto

from models.export.graph.decoder_config import DecoderConfig
from models.export.graph.equalization import AbsmaxRanges
from models.export.graph.nodes import MICROSOFT, Nodes
from models.precision import Precision

_LARGEST = 127
"""Largest 8-bit signed integer that scales map to."""


@dataclass(frozen=True, slots=True)
class QueryTokens:
    """Names of the inputs that describe the prompt tokens whose queries are computed."""

    positions: str
    """[1, tokens]."""
    mask: str
    """[tokens, past and new tokens]: 0, or minus infinity for later tokens. In fp16 repeated for
    each head that shares the same keys.
    """
    parts: str
    """[2]: how many of them there are, and B."""
    some: str
    """bool [1]: whether there is any."""


@dataclass(frozen=True, slots=True)
class Attention:
    """Adds attention to a graph.

    Keys and values lie in KV slots; ``models/export/graph/decoder.py`` lists the inputs and outputs
    of the graph that they are.
    """

    nodes: Nodes
    config: DecoderConfig
    kv_ranges: AbsmaxRanges | None
    """Of keys and values that are kept in 8 bits; None: they are kept as they are computed."""

    def query_tokens(self) -> tuple[QueryTokens, QueryTokens]:
        """All tokens of the prompt, and those whose logits are wanted."""
        first, second, third = (self.nodes.integers(number) for number in range(3))
        start, one = self.nodes.scalar(0), self.nodes.scalar(1)
        prompt = self.nodes.add("Slice", ["parts", first, second])
        end = self.nodes.add("Add", ["past", prompt], ["end"])
        positions = self.nodes.add(
            "Range", [self.nodes.reshape("past", ()), self.nodes.reshape(end, ()), one]
        )
        keys = self.nodes.add("Range", [start, self.nodes.reshape(end, ()), one])
        seen = self.nodes.add(
            "LessOrEqual", [keys, self.nodes.add("Unsqueeze", [positions, second])]
        )
        values = (
            self.nodes.constant(name, np.float32(value))
            for name, value in (("seen", 0), ("unseen", -np.inf))
        )
        mask = self.nodes.add("Where", [seen, *values])
        positions = self.nodes.add("Unsqueeze", [positions, first])
        count = self.nodes.add("Shape", ["wanted"])
        parts = self.nodes.add(
            "Concat", [count, self.nodes.add("Slice", ["parts", second, third])], axis=0
        )
        return (
            QueryTokens(positions, self.for_each_head(mask), "parts", self.is_some(prompt)),
            QueryTokens(
                self.nodes.add("Gather", [positions, "wanted"], axis=1),
                self.for_each_head(self.nodes.add("Gather", [mask, "wanted"])),
                parts,
                self.is_some(count),
            ),
        )

    def for_each_head(self, mask: str) -> str:
        """A mask as ``attended`` takes it."""
        repeated = self.config.sharing > 1 and self.nodes.precision is Precision.FP16
        return self.nodes.add("Concat", [mask] * self.config.sharing, axis=0) if repeated else mask

    def is_some(self, count: str) -> str:
        """Bool [1]: whether a number [1] is not 0."""
        return self.nodes.add("Cast", [count], to=TensorProto.BOOL)

    def attend(
        self, layer: int, query: str, key: str, value: str, every: QueryTokens, queried: QueryTokens
    ) -> str:
        """[.. + B, heads * size]: attention of queries over their own slots.

        The queries are [.. + B, heads * size]. The keys and values [R + B, ...] are appended to the
        slots.
        """
        config = self.config
        (prompt_query, query), (prompt_key, key), (prompt_value, value) = (
            self.nodes.split_tokens(query, queried.parts),
            self.nodes.split_tokens(key, every.parts),
            self.nodes.split_tokens(value, every.parts),
        )
        decoded = self.decode(layer, query, key, value)
        keys = self.appended("key", layer, self.rotated(prompt_key, config.key_value_heads, every))
        values = self.appended("value", layer, prompt_value)
        prefilled = self.prefill(layer, prompt_query, keys, values, queried)
        return self.nodes.add("Concat", [prefilled, decoded], axis=0)

    def decode(self, layer: int, query: str, key: str, value: str) -> str:
        """[B, heads * size]: attention of the decoding slots."""
        config = self.config
        new = [
            self.nodes.reshape(each, (-1, 1, heads * config.head_size))
            for each, heads in (
                (query, config.heads),
                (key, config.key_value_heads),
                (value, config.key_value_heads),
            )
        ]
        scales: list[str] = []
        quantised: dict[str, Any] = {}
        if self.kv_ranges is not None:
            scales = ["", "", "", self.scale("key", layer), self.scale("value", layer)]
            quantised = {
                "k_quant_type": "PER_TENSOR",
                "v_quant_type": "PER_TENSOR",
                "kv_cache_bit_width": 8,
            }
        attended = self.nodes.add(
            "GroupQueryAttention",
            [
                *new,
                f"past_key.{layer}",
                f"past_value.{layer}",
                "seqlens_k",
                "total_sequence_length",
                "cos",
                "sin",
                *scales,
            ],
            [f"attended.{layer}", f"present_key.{layer}", f"present_value.{layer}"],
            domain=MICROSOFT,
            num_heads=config.heads,
            kv_num_heads=config.key_value_heads,
            scale=config.scale,
            do_rotary=1,
            **quantised,
        )
        return self.nodes.reshape(attended, (-1, config.heads * config.head_size))

    def prefill(self, layer: int, query: str, keys: str, values: str, queried: QueryTokens) -> str:
        """[.., heads * size]: attention of the prompt's tokens over all that their slot holds."""
        width = self.config.heads * self.config.head_size

        def attended() -> str:
            rotated = self.by_head(
                self.rotated(query, self.config.heads, queried), self.config.heads
            )
            found = self.attended(
                rotated,
                self.dequantized("key", layer, keys),
                self.dequantized("value", layer, values),
                queried,
            )
            return self.nodes.reshape(
                self.nodes.add("Transpose", [found], perm=[0, 2, 1, 3]), (-1, width)
            )

        if self.nodes.precision is Precision.FP16:
            return attended()
        nothing = self.nodes.constant("attended.nothing", np.empty((0, width), np.float32))
        return self.nodes.choose(
            queried.some, attended, lambda: self.nodes.add("Identity", [nothing])
        )

    def attended(self, query: str, keys: str, values: str, queried: QueryTokens) -> str:
        """[1, heads, .., size] of queries [1, heads, .., size].

        onnxruntime's Attention adds the mask before the product of queries and keys, which adds to
        it. That passes over the scores once less. It refuses an empty query. In fp16, which is for
        CUDA, the parts are nodes of their own: Attention was not measured there.
        """
        config = self.config
        if self.nodes.precision is not Precision.FP16:
            return self.nodes.add(
                "Attention", [query, keys, values, queried.mask], scale=config.scale
            )
        # Heads that share keys are computed in one product.
        query = self.nodes.reshape(query, (1, config.key_value_heads, -1, config.head_size))
        scores = self.nodes.add(
            "FusedMatMul", [query, keys], domain=MICROSOFT, transB=1, alpha=config.scale
        )
        weights = self.nodes.add(
            "Softmax", [self.nodes.add("Add", [scores, queried.mask])], axis=-1
        )
        return self.nodes.reshape(
            self.nodes.add("MatMul", [weights, values]), (1, config.heads, -1, config.head_size)
        )

    def dequantized(self, what: str, layer: int, kept: str) -> str:
        """Keys or values as they were computed."""
        if self.kv_ranges is None:
            return kept
        return self.nodes.add("DequantizeLinear", [kept, self.scale(what, layer)])

    def by_head(self, x: str, heads: int) -> str:
        """[tokens, heads * size] to [1, heads, tokens, size]."""
        return self.nodes.add(
            "Transpose",
            [self.nodes.reshape(x, (1, -1, heads, self.config.head_size))],
            perm=[0, 2, 1, 3],
        )

    def rotated(self, x: str, heads: int, tokens: QueryTokens) -> str:
        """[tokens, heads * size], each rotated by its position."""
        each = self.nodes.reshape(x, (1, -1, heads * self.config.head_size))
        return self.nodes.add(
            "RotaryEmbedding",
            [each, tokens.positions, "cos", "sin"],
            domain=MICROSOFT,
            num_heads=heads,
        )

    def appended(self, what: str, layer: int, new: str) -> str:
        """Append keys or values [tokens, heads * size] to the prompt's slot; all it holds then."""
        if self.kv_ranges is not None:
            new = self.nodes.add(
                "QuantizeLinear",
                [new, self.scale(what, layer), self.nodes.constant("kept.zero", np.int8(0))],
            )
        new = self.by_head(new, self.config.key_value_heads)
        slot = self.nodes.add(
            "TensorScatter", [f"reading_{what}.{layer}", new, "past"], [f"read_{what}.{layer}"]
        )
        return self.nodes.add(
            "Slice", [slot, self.nodes.integers(0), "end", self.nodes.integers(2)]
        )

    def scale(self, what: str, layer: int) -> str:
        """The scale of keys or values that are kept in 8 bits."""
        assert self.kv_ranges is not None
        absmax = {"key": self.kv_ranges.keys, "value": self.kv_ranges.values}[what][layer]
        return self.nodes.constant(
            f"{what}.{layer}.scale", np.array([absmax / _LARGEST], np.float32)
        )

    @property
    def kv_type(self) -> int:
        """ONNX type of keys and values in slots."""
        return self.nodes.float_type if self.kv_ranges is None else int(TensorProto.INT8)
