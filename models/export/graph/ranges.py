"""How large what a decoder computes becomes over some prompts, in one pass: what a scale of 8 bits
has to span.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from models.export.graph.decoder_config import DecoderConfig

_Measure = Callable[[Tensor, Tensor], Tensor]
"""From a module's input and output, of one prompt, to sizes [tokens, ...]."""


@dataclass(frozen=True, slots=True)
class ActivationRanges:
    """The largest absolute values, for each layer."""

    keys: list[Tensor]
    """[key/value heads, head size / 2], with the rotary embedding: of each pair of channels that it
    turns, the length.
    """
    values: list[Tensor]
    """[key/value heads, head size]."""
    inputs: list[Tensor]
    """[feed-forward size], of what its last product multiplies."""


def measure(model: PreTrainedModel, prompts: Sequence[Sequence[int]]) -> ActivationRanges:
    """The ranges of a model over all tokens of the prompts. Raises UnsupportedArchitecture."""
    config = DecoderConfig.of(model)
    heads, size = config.key_value_heads, config.head_size
    layers = model.model.layers
    keys = [getattr(layer.self_attn, "k_norm", layer.self_attn.k_proj) for layer in layers]
    values = [layer.self_attn.v_proj for layer in layers]
    products = [layer.mlp.down_proj for layer in layers]
    measures: dict[nn.Module, _Measure] = {
        **dict.fromkeys(
            keys,
            lambda _, keys: keys.reshape(-1, heads, 2, size // 2).norm(dim=2) * config.rotary_scale,
        ),
        **dict.fromkeys(values, lambda _, values: values.reshape(-1, heads, size).abs()),
        **dict.fromkeys(products, lambda inputs, _: inputs.abs()),
    }
    found = _largest(model, prompts, measures)
    return ActivationRanges(
        *([found[module] for module in modules] for modules in (keys, values, products))
    )


def _largest(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], measures: dict[nn.Module, _Measure]
) -> dict[nn.Module, Tensor]:
    found: dict[nn.Module, Tensor] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        sizes = measures[module](inputs[0][0], output[0]).amax(dim=0)
        found[module] = torch.maximum(found[module], sizes) if module in found else sizes

    hooks = [module.register_forward_hook(note) for module in measures]
    try:
        with torch.no_grad():
            for prompt in prompts:
                model.model(torch.tensor([prompt]), use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return found
