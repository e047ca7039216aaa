"""The configuration of a decoder for the engine's own graph, and the supported architectures."""

from dataclasses import dataclass

from transformers import PreTrainedModel

from schemas.errors import UnsupportedArchitecture

_MODEL_TYPES = ("llama", "mistral", "qwen2", "qwen3", "gemma")
_ROTARY = ("default", "linear", "llama3", "yarn")
"""Kinds of rotary embedding whose angles do not depend on the length of the text."""
_HEAD_MULTIPLE = 16
"""Of a head's size: required by onnxruntime's attention where it applies the rotary embedding."""


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """Sizes, operators and constants of a decoder of a supported architecture."""

    layers: int
    heads: int
    key_value_heads: int
    head_size: int
    epsilon: float
    activation: str
    """Operator of the feed-forward layer's gate."""
    norm_offset: float
    """Added to a norm's weight: 1 for Gemma."""
    embedding_scale: float
    scale: float
    """Factor of the products of queries and keys."""
    rotary_scale: float
    """Factor of the rotary embedding's results."""

    @property
    def sharing(self) -> int:
        """How many heads share the same keys and values."""
        return self.heads // self.key_value_heads

    @classmethod
    def of(cls, model: PreTrainedModel) -> "DecoderConfig":
        """The configuration of a model. Raises UnsupportedArchitecture."""
        config = model.config
        if config.model_type not in _MODEL_TYPES:
            raise UnsupportedArchitecture(f"model type {config.model_type}")
        rotary = getattr(model.model.rotary_emb, "rope_type", "default")
        if rotary not in _ROTARY:
            raise UnsupportedArchitecture(f"rotary embedding of kind {rotary}")
        if any(kind != "full_attention" for kind in getattr(config, "layer_types", None) or ()):
            raise UnsupportedArchitecture("layers with a sliding window")
        window = getattr(config, "sliding_window", None)
        if (
            window is not None
            and getattr(config, "use_sliding_window", True)
            and window < config.max_position_embeddings
        ):
            raise UnsupportedArchitecture(f"a sliding window of {window:,} tokens")
        gemma = config.model_type == "gemma"
        act = getattr(config, "hidden_activation", None) or config.hidden_act
        activations = {
            "silu": "QuickGelu",
            "gelu_pytorch_tanh": "FastGelu",
            "gelu": "FastGelu" if gemma else "Gelu",
        }
        if act not in activations:
            raise UnsupportedArchitecture(f"activation {act}")
        head_size = (
            getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        )
        if head_size % _HEAD_MULTIPLE:
            raise UnsupportedArchitecture(
                f"heads of {head_size} numbers, which is no multiple of {_HEAD_MULTIPLE}"
            )
        return cls(
            layers=config.num_hidden_layers,
            heads=config.num_attention_heads,
            key_value_heads=config.num_key_value_heads,
            head_size=head_size,
            epsilon=config.rms_norm_eps,
            activation=activations[act],
            norm_offset=1.0 if gemma else 0.0,
            embedding_scale=config.hidden_size**0.5 if gemma else 1.0,
            scale=head_size**-0.5,
            rotary_scale=float(getattr(model.model.rotary_emb, "attention_scaling", 1.0)),
        )
