"""ONNX nodes of attention: those that read a prompt over its row, and those that decode over
theirs.

In int8 keys and values are kept in 8 bits, with one scale a layer for each. Queries are brought to
8 bits for the prompt's product with its keys, as in SageAttention (arXiv 2410.02367); the product
with the values stays fp32, for a share that is spread over a long text would round to nothing.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto

from models.export.graph.decoder_config import DecoderConfig
from models.export.graph.equalization import AbsmaxRanges
from models.export.graph.nodes import MICROSOFT, Nodes

_LARGEST = 127
"""Of 8 bits with a sign."""


@dataclass(frozen=True, slots=True)
class Queries:
    """Names of what is known of some tokens of the prompt: where they stand, what they may see, and
    how many beside B.
    """

    positions: str
    """[1, tokens]."""
    mask: str
    """[heads that share keys * tokens, past and new ones]: 0, or minus infinity for what comes
    later.
    """
    parts: str
    """[2]."""


@dataclass(slots=True)
class Attention(Nodes):
    """Keys and values lie in rows; see ``models/export/graph/decoder.py`` for the inputs and
    outputs that they are.
    """

    config: DecoderConfig
    kv_ranges: AbsmaxRanges | None
    """Of keys and values that are kept in 8 bits; None: they are kept as they are."""

    def queries(self) -> tuple[Queries, Queries]:
        """All tokens of the prompt, and the wanted ones."""
        first, second, third = (self.integers(number) for number in range(3))
        start, one = self.scalar(0), self.scalar(1)
        end = self.add("Add", ["past", self.add("Slice", ["parts", first, second])], ["end"])
        positions = self.add("Range", [self.reshape("past", ()), self.reshape(end, ()), one])
        keys = self.add("Range", [start, self.reshape(end, ()), one])
        seen = self.add("LessOrEqual", [keys, self.add("Unsqueeze", [positions, second])])
        values = (
            self.constant(name, np.float32(value))
            for name, value in (("seen", 0), ("unseen", -np.inf))
        )
        mask = self.add("Where", [seen, *values])
        positions = self.add("Unsqueeze", [positions, first])
        count = self.add(
            "Concat",
            [self.add("Shape", ["wanted"]), self.add("Slice", ["parts", second, third])],
            axis=0,
        )
        return (
            Queries(positions, self.for_each_head(mask), "parts"),
            Queries(
                self.add("Gather", [positions, "wanted"], axis=1),
                self.for_each_head(self.add("Gather", [mask, "wanted"])),
                count,
            ),
        )

    def for_each_head(self, mask: str) -> str:
        """A mask below itself once more for each further head that shares the same keys."""
        sharing = self.config.sharing
        return self.add("Concat", [mask] * sharing, axis=0) if sharing > 1 else mask

    def attended(
        self, layer: int, query: str, key: str, value: str, every: Queries, asking: Queries
    ) -> str:
        """What queries [.. + B, heads * size] gather over their own rows, which keys and values [R
        + B, ...] are appended to.
        """
        config = self.config
        (read_query, query), (read_key, key), (read_value, value) = (
            self.parted(query, asking.parts),
            self.parted(key, every.parts),
            self.parted(value, every.parts),
        )
        decoded = self.attend_in_rows(layer, query, key, value)
        keys = self.appended("key", layer, self.rotated(read_key, config.key_value_heads, every))
        values = self.appended("value", layer, read_value)
        read = self.attend_in_prompt(
            layer, self.rotated(read_query, config.heads, asking), keys, values, asking
        )
        return self.add("Concat", [read, decoded], axis=0)

    def attend_in_rows(self, layer: int, query: str, key: str, value: str) -> str:
        """[B, heads * size]: what those that decode gather."""
        config = self.config
        new = [
            self.reshape(each, (-1, 1, heads * config.head_size))
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
        attended = self.add(
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
        return self.reshape(attended, (-1, config.heads * config.head_size))

    def attend_in_prompt(
        self, layer: int, query: str, keys: str, values: str, asking: Queries
    ) -> str:
        """[.., heads * size]: what the prompt's tokens gather from all that their row holds."""
        config = self.config
        # Heads that share keys are one product with them.
        query = self.reshape(
            self.by_head(query, config.heads), (1, config.key_value_heads, -1, config.head_size)
        )
        scores = self.scores(layer, query, keys)
        shares = self.add("Softmax", [self.add("Add", [scores, asking.mask])], axis=-1)
        if self.kv_ranges is not None:
            values = self.add("DequantizeLinear", [values, self.scale("value", layer)])
        attended = self.reshape(
            self.add("MatMul", [shares, values]), (1, config.heads, -1, config.head_size)
        )
        return self.reshape(
            self.add("Transpose", [attended], perm=[0, 2, 1, 3]),
            (-1, config.heads * config.head_size),
        )

    def scores(self, layer: int, query: str, keys: str) -> str:
        """Scaled products of queries [1, key/value heads, .., size] with the keys."""
        if self.kv_ranges is None:
            return self.add(
                "FusedMatMul", [query, keys], domain=MICROSOFT, transB=1, alpha=self.config.scale
            )
        scale = np.array([self.kv_ranges.keys[layer] / _LARGEST * self.config.scale], np.float32)
        keys = self.add("Transpose", [keys], perm=[0, 1, 3, 2])
        return self.add(
            "DynamicQuantizeMatMul",
            [query, keys, self.constant(f"scores.{layer}.scale", scale)],
            domain=MICROSOFT,
        )

    def by_head(self, x: str, heads: int) -> str:
        """[tokens, heads * size] to [1, heads, tokens, size]."""
        return self.add(
            "Transpose", [self.reshape(x, (1, -1, heads, self.config.head_size))], perm=[0, 2, 1, 3]
        )

    def rotated(self, x: str, heads: int, where: Queries) -> str:
        """[tokens, heads * size], each turned as far as it stands from the beginning."""
        each = self.reshape(x, (1, -1, heads * self.config.head_size))
        return self.add(
            "RotaryEmbedding",
            [each, where.positions, "cos", "sin"],
            domain=MICROSOFT,
            num_heads=heads,
        )

    def appended(self, what: str, layer: int, new: str) -> str:
        """All that the prompt's row holds then, with the new ones, [tokens, heads * size]."""
        if self.kv_ranges is not None:
            new = self.add(
                "QuantizeLinear",
                [new, self.scale(what, layer), self.constant("kept.zero", np.int8(0))],
            )
        new = self.by_head(new, self.config.key_value_heads)
        row = self.add(
            "TensorScatter", [f"reading_{what}.{layer}", new, "past"], [f"read_{what}.{layer}"]
        )
        return self.add("Slice", [row, self.integers(0), "end", self.integers(2)])

    def scale(self, what: str, layer: int) -> str:
        """Of what is kept in 8 bits."""
        assert self.kv_ranges is not None
        span = {"key": self.kv_ranges.keys, "value": self.kv_ranges.values}[what][layer]
        return self.constant(f"{what}.{layer}.scale", np.array([span / _LARGEST], np.float32))

    @property
    def kept(self) -> int:
        """Type of keys and values in rows."""
        return self.number if self.kv_ranges is None else int(TensorProto.INT8)

    def parted(self, x: str, parts: str) -> tuple[str, str]:
        """What belongs to the prompt, and what to the rows that decode."""
        read, decoded = self.fresh(), self.fresh()
        self.add("Split", [x, parts], [read, decoded], axis=0)
        return read, decoded
