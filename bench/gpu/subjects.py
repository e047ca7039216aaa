"""The models that are measured on a GPU, and their graphs."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.engine.shortlist import SHORTLIST_FILE
from models.precision import Precision

CONTEXT = 4096
"""Context window of the random models. Qwen2.5's own is longer, which no measurement needs."""
SHAPES: dict[str, dict[str, int]] = {
    "0.5 B": {
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "vocab_size": 151_936,
    },
    "1.5 B": {
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "vocab_size": 151_936,
    },
    "tiny": {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 512,
    },
}
"""Shapes of Qwen2.5-0.5B and 1.5B, and one for tests."""


@dataclass(frozen=True, slots=True)
class Graphs:
    """A directory of our graphs of one model, as an engine loads it."""

    directory: Path
    precisions: Sequence[Precision]


def precisions_on(device: str) -> tuple[Precision, ...]:
    """The precisions of a device. onnxruntime has no fp16 for some of the operators on a CPU."""
    return (Precision.FP32, Precision.FP16) if device == "cuda" else (Precision.FP32,)


def random_model(shape: str, device: str, dtype: Any, **changes: Any) -> Any:
    """A Qwen2 of random weights."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(
        **SHAPES[shape],
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=1,
        **changes,
    )
    with torch.device(device):
        return Qwen2ForCausalLM(config).to(dtype).eval()


def write_graphs(model: Any, directory: Path, precisions: Sequence[Precision]) -> Graphs:
    """Write a model's graphs and configuration, and the shortlist's graph for fp16."""
    from models.export.graph import build
    from models.export.graph.shortlist import build as build_shortlist

    directory.mkdir(parents=True)
    model.config.save_pretrained(directory)
    for precision in precisions:
        build(model, directory / precision.file, precision)
    if Precision.FP16 in precisions:
        build_shortlist(directory / SHORTLIST_FILE)
    return Graphs(directory, precisions)


def copy_tokenizer(checkpoint: Path, directory: Path) -> None:
    """Copy what ``Prompter.load`` reads."""
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (checkpoint / name).is_file():
            shutil.copyfile(checkpoint / name, directory / name)
