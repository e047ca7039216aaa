"""Writes tiny random checkpoints with a byte-level tokenizer, for tests."""

import json
import os
from pathlib import Path

os.environ.setdefault(
    "ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16"
)  # must precede torch, as must the next
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers import models as tokenizer_models

from models.prompts.template import MARKERS

_END, _PAD = "<|end|>", "<|pad|>"


def make_tokenizer(
    directory: Path, *, markers: bool = True, chat_template: str = "", context: int = 512
) -> None:
    """Write a tokenizer with one token for each byte and no merges."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(
        tokenizer_models.BPE({letter: id for id, letter in enumerate(alphabet)}, [])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([_PAD, _END, *(MARKERS if markers else ())])
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": _END,
        "pad_token": _PAD,
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
        **({"chat_template": chat_template} if chat_template else {}),
    }
    (directory / "tokenizer_config.json").write_text(
        json.dumps(config, indent=2) + "\n", encoding="utf-8"
    )


def make_checkpoint(
    directory: Path,
    *,
    architecture: str = "llama",
    seed: int = 0,
    layers: int = 2,
    width: int = 64,
    heads: int = 4,
    key_value_heads: int = 2,
    context: int = 512,
    markers: bool = True,
    chat_template: str = "",
    half: bool = True,
    vocabulary: int | None = None,
) -> Path:
    """Write a checkpoint of some 100,000 parameters, in fp16 as the house model is, or in fp32.

    ``architecture`` is a model type of transformers whose configuration has Llama's names.
    ``vocabulary`` is its number of tokens, where it is not to be the tokenizer's.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    make_tokenizer(directory, markers=markers, chat_template=chat_template, context=context)
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    torch.manual_seed(seed)
    end = tokenizer.token_to_id(_END)
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(
            architecture,
            vocab_size=vocabulary or tokenizer.get_vocab_size(),
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=key_value_heads,
            head_dim=width // heads,
            max_position_embeddings=context,
            tie_word_embeddings=True,
            initializer_range=0.3,  # wide, so that greedy choices are far apart
            bos_token_id=end,
            eos_token_id=end,
            pad_token_id=tokenizer.token_to_id(_PAD),
            # Mistral's default is shorter than some contexts, and our graph has no window.
            **({"sliding_window": None} if architecture == "mistral" else {}),
        )
    )
    model.to(dtype=torch.float16 if half else torch.float32).save_pretrained(directory)
    return directory
