"""Writes GGUF files of tiny random models with package gguf, as llama.cpp's converter does."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType, GGUFWriter, quants
from safetensors import safe_open

Array = npt.NDArray[np.float32]
NORMAL, CONTROL, USER = 1, 3, 4
_SPACES = "ĠĠ"

_NAMES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


@dataclass(frozen=True)
class Words:
    """A tokenizer's lists."""

    model: str
    tokens: Sequence[str]
    kinds: Sequence[int]
    pre: str | None = None
    merges: Sequence[str] | None = None
    scores: Sequence[float] | None = None
    entries: Mapping[str, Any] = field(default_factory=dict)
    """More entries, under ``tokenizer.ggml.``."""

    def write(self, writer: GGUFWriter) -> None:
        writer.add_tokenizer_model(self.model)
        if self.pre is not None:
            writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.kinds)
        if self.merges is not None:
            writer.add_token_merges(self.merges)
        if self.scores is not None:
            writer.add_token_scores(self.scores)
        for name, value in self.entries.items():
            add = writer.add_bool if isinstance(value, bool) else writer.add_uint32
            add(f"tokenizer.ggml.{name}", value)


def words_of(checkpoint: Path) -> Words:
    """The tokenizer of a checkpoint of ``tests.unit.checkpoints``, with one merge.

    Two spaces are a token, in the place of that for padding: llama.cpp wants merges.
    """
    model = json.loads((checkpoint / "tokenizer.json").read_text(encoding="utf-8"))
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    special = {token["content"]: token["id"] for token in model["added_tokens"]}
    special[_SPACES] = special.pop("<|pad|>")
    vocabulary = sorted((model["model"]["vocab"] | special).items(), key=lambda item: item[1])
    return Words(
        "gpt2",
        [text for text, _ in vocabulary],
        [CONTROL if text in special and text != _SPACES else NORMAL for text, _ in vocabulary],
        "gpt-2",
        merges=[f"{_SPACES[0]} {_SPACES[1]}"],
        entries={"eos_token_id": config["eos_token_id"]},
    )


def write_gguf(
    file: Path,
    checkpoint: Path,
    kind: GGMLQuantizationType = GGMLQuantizationType.F32,
    *,
    words: Words | None = None,
    chat_template: str = "",
    changed: Mapping[str, Array] | None = None,
    numbers: Mapping[str, float] | None = None,
) -> dict[str, Array]:
    """Write a checkpoint as GGUF. Returns the matrices as transformers has them, dequantized.

    ``changed`` replaces or adds tensors, ``numbers`` entries of the architecture.
    """
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    architecture = config["model_type"]
    name = "llama" if architecture == "mistral" else architecture
    writer = GGUFWriter(file, name)
    heads = config["num_attention_heads"]
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"] or config["hidden_size"] // heads)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    for key, number in (numbers or {}).items():
        writer.add_float32(f"{name}.{key}", number)
    (words or words_of(checkpoint)).write(writer)
    if chat_template:
        writer.add_chat_template(chat_template)
    expected = {}
    tensors: dict[str, Array] = {}
    with safe_open(checkpoint / "model.safetensors", "numpy") as weights:
        for theirs in weights.keys():  # noqa: SIM118  (not a mapping)
            tensor = weights.get_tensor(theirs).astype(np.float32)
            ours, paired = _name(theirs, name == "llama", config)
            if ours.endswith("norm.weight") and architecture == "gemma":
                tensor = tensor + 1
            if tensor.ndim == 2:
                tensor = quants.dequantize(quants.quantize(tensor, kind), kind)
                expected[theirs] = tensor
            tensors[ours] = _in_pairs(tensor, paired) if paired else tensor
    for ours, tensor in {**tensors, **(changed or {})}.items():
        if tensor.ndim == 2:
            writer.add_tensor(ours, quants.quantize(tensor, kind), raw_dtype=kind)
        else:
            writer.add_tensor(ours, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return expected


def _name(theirs: str, paired: bool, config: Mapping[str, Any]) -> tuple[str, int]:
    """The name in the file, and the number of heads whose rows lie in pairs, or 0."""
    outside = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
    if theirs in outside:
        return outside[theirs], 0
    layer, part = theirs.removeprefix("model.layers.").split(".", 1)
    module, kind = part.rsplit(".", 1)
    heads = {
        "self_attn.q_proj": config["num_attention_heads"],
        "self_attn.k_proj": config["num_key_value_heads"],
    }
    return f"blk.{layer}.{_NAMES[module]}.{kind}", heads.get(module, 0) if paired else 0


def _in_pairs(tensor: Array, heads: int) -> Array:
    """Rows of each head from halves to pairs, as llama.cpp wants them."""
    size = len(tensor) // heads
    halves = tensor.reshape(heads, 2, size // 2, -1)
    return halves.swapaxes(1, 2).reshape(tensor.shape)
