"""From a GGUF file's metadata to the configuration of transformers, for the known architectures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.gguf.file import GgufFile
from models.gguf.metadata import Metadata
from schemas.errors import ModelError

_LARGEST = 1 << 24
"""Of every size of a model. A larger one means that the file is damaged."""
_LLAMA3_FACTORS = (8.0, 16.0, 32.0)
_LLAMA3 = {
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
"""Constants of every model of Llama 3.1 to 3.3. A GGUF file has only what follows from them."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What transformers needs for an architecture of llama.cpp besides its sizes."""

    model_type: str
    class_name: str
    activation: str = "silu"
    norm_offset: float = 0.0
    """What llama.cpp added to the weights of the norms; Gemma's code adds it itself."""
    paired: bool = False
    """Whether the rows of queries and keys lie in pairs for the rotary embedding, as llama.cpp
    wants them for its architecture ``llama``. Transformers has them in halves.
    """
    head_norms: bool = False
    """Whether queries and keys have norms."""
    biased: bool = False
    """Whether queries, keys and values always have biases."""


ARCHITECTURES = {
    "llama": Architecture("llama", "LlamaForCausalLM", paired=True),
    "qwen2": Architecture("qwen2", "Qwen2ForCausalLM", biased=True),
    "qwen3": Architecture("qwen3", "Qwen3ForCausalLM", head_norms=True),
    "gemma": Architecture(
        "gemma", "GemmaForCausalLM", activation="gelu_pytorch_tanh", norm_offset=1.0
    ),
}
"""By the name in ``general.architecture``. Files of Mistral models say ``llama``."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a decoder."""

    layers: int
    width: int
    inner: int
    """Of the feed-forward layer."""
    heads: int
    key_value_heads: int
    head: int
    vocabulary: int
    context: int


def architecture_of(file: GgufFile) -> Architecture:
    """The architecture of a file. Raises ModelError where it is not supported."""
    name = Metadata(file.path, file.metadata).text("general.architecture")
    if name not in ARCHITECTURES:
        raise ModelError(
            f"{file.path} has architecture {name}, and GGUF files of {', '.join(ARCHITECTURES)} "
            "are supported (Mistral's say llama): give the model as a transformers checkpoint"
        )
    return ARCHITECTURES[name]


def sizes_of(file: GgufFile) -> Sizes:
    """The sizes of a file's model. Raises ModelError where they are missing or impossible."""
    metadata = Metadata(file.path, file.metadata)
    name = metadata.text("general.architecture")
    embedding = file.tensors.get("token_embd.weight")
    if embedding is None or len(embedding.shape) != 2:
        raise ModelError(f"{file.path} has no matrix token_embd.weight: it is not a whole model")
    heads = metadata.uniform(f"{name}.attention.head_count")
    width = metadata.integer(f"{name}.embedding_length")
    head = metadata.integer(f"{name}.attention.key_length", width // max(1, heads))
    sizes = Sizes(
        layers=metadata.integer(f"{name}.block_count"),
        width=width,
        inner=metadata.uniform(f"{name}.feed_forward_length"),
        heads=heads,
        key_value_heads=metadata.uniform(f"{name}.attention.head_count_kv", heads),
        head=head,
        vocabulary=embedding.shape[0],
        context=metadata.integer(f"{name}.context_length"),
    )
    for field in Sizes.__dataclass_fields__:
        size = getattr(sizes, field)
        if not 0 < size <= _LARGEST:
            raise ModelError(f"{file.path} states a model of {size:,} {field}: it is damaged")
    if sizes.layers > len(file.tensors):
        raise ModelError(f"{file.path} lacks tensors of its {sizes.layers:,} layers: it is damaged")
    if heads % sizes.key_value_heads or head % 2:
        raise ModelError(
            f"{file.path} states {heads} heads of {head} numbers, with {sizes.key_value_heads} for "
            "keys and values: it is damaged"
        )
    for key, size in (("attention.value_length", head), ("rope.dimension_count", head)):
        if metadata.integer(f"{name}.{key}", size) != size:
            raise ModelError(
                f"{file.path}: {name}.{key} is not the size of a head, {size}, which is not "
                "supported: give the model as a transformers checkpoint"
            )
    return sizes


def configuration(
    file: GgufFile, architecture: Architecture, sizes: Sizes, rope_factors: npt.NDArray[Any] | None
) -> dict[str, Any]:
    """The content of ``config.json``, without the special tokens.

    ``rope_factors`` is the tensor ``rope_freqs.weight``. Raises ModelError where the rotary
    embedding is of an unsupported kind.
    """
    metadata = Metadata(file.path, file.metadata)
    name = metadata.text("general.architecture")
    theta = metadata.number(f"{name}.rope.freq_base", 10_000.0)
    if theta <= 0:
        raise ModelError(f"{file.path}: {name}.rope.freq_base is {theta}: it is damaged")
    config: dict[str, Any] = {
        "architectures": [architecture.class_name],
        "model_type": architecture.model_type,
        "hidden_act": architecture.activation,
        "hidden_size": sizes.width,
        "intermediate_size": sizes.inner,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.key_value_heads,
        "head_dim": sizes.head,
        "vocab_size": sizes.vocabulary,
        "max_position_embeddings": sizes.context,
        "rms_norm_eps": metadata.number(f"{name}.attention.layer_norm_rms_epsilon"),
        "rope_theta": theta,
        "rope_scaling": _rope_scaling(file, name, sizes, theta, rope_factors),
        "tie_word_embeddings": "output.weight" not in file.tensors,
        "attention_bias": architecture.biased or "blk.0.attn_q.bias" in file.tensors,
        "use_cache": True,
    }
    if architecture.model_type == "gemma":
        config["hidden_activation"] = architecture.activation
    return config


def _rope_scaling(
    file: GgufFile,
    name: str,
    sizes: Sizes,
    theta: float,
    rope_factors: npt.NDArray[Any] | None,
) -> dict[str, Any] | None:
    metadata = Metadata(file.path, file.metadata)
    kind = metadata.text(f"{name}.rope.scaling.type", "none")
    factor = metadata.number(
        f"{name}.rope.scaling.factor", metadata.number(f"{name}.rope.scale_linear", 1.0)
    )
    if rope_factors is not None:
        for known in _LLAMA3_FACTORS:
            if np.allclose(rope_factors, _llama3_factors(sizes.head, theta, known), rtol=1e-3):
                return {"rope_type": "llama3", "factor": known, **_LLAMA3}
    elif kind == "none" and factor == 1.0:
        return None
    elif kind == "linear" or (kind == "none" and factor > 1.0):
        return {"rope_type": "linear", "factor": factor}
    elif kind == "yarn" and factor >= 1.0:
        return {
            "rope_type": "yarn",
            "factor": factor,
            "original_max_position_embeddings": metadata.integer(
                f"{name}.rope.scaling.original_context_length"
            ),
        }
    raise ModelError(
        f"{file.path} scales the rotary embedding in a way that is not supported ({kind}): give "
        "the model as a transformers checkpoint"
    )


def _llama3_factors(head: int, theta: float, factor: float) -> npt.NDArray[np.float64]:
    """By how much Llama 3 divides each frequency of the rotary embedding [head / 2]."""
    low, high = _LLAMA3["low_freq_factor"], _LLAMA3["high_freq_factor"]
    lengths = 2 * np.pi * theta ** (np.arange(0, head, 2) / head)
    turns = _LLAMA3["original_max_position_embeddings"] / lengths
    smooth = np.clip((turns - low) / (high - low), 0.0, 1.0)
    factors: npt.NDArray[np.float64] = 1.0 / ((1.0 - smooth) / factor + smooth)
    return factors
