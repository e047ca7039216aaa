"""Measures the largest absolute values that a decoder computes over some prompts, in one pass.

8-bit scales have to cover them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel

from models.export.graph.decoder_config import DecoderConfig

_SHORTEST_PREFIX = 16
"""Fewer tokens that all prompts begin with are computed again for each."""

_Measure = Callable[[Tensor], Tensor]
"""From a module's output, of one prompt, to absolute values [tokens, ...]."""


@dataclass(frozen=True, slots=True)
class ActivationRanges:
    """The largest absolute value of each channel, for each layer."""

    keys: list[Tensor]
    """[key/value heads, head size / 2], after the rotary embedding: the length of each pair of
    channels that it rotates.
    """
    values: list[Tensor]
    """[key/value heads, head size]."""


def measure(
    model: PreTrainedModel,
    prompts: Sequence[list[int]],
    on_prompt: Callable[[int], None] = lambda done: None,
) -> ActivationRanges:
    """The ranges of a model over all tokens of the prompts.

    ``on_prompt`` is called with the number of prompts done. Raises UnsupportedArchitecture.
    """
    config = DecoderConfig.of(model)
    heads, size = config.key_value_heads, config.head_size
    layers = model.model.layers
    keys = [getattr(layer.self_attn, "k_norm", layer.self_attn.k_proj) for layer in layers]
    values = [layer.self_attn.v_proj for layer in layers]
    measures: dict[nn.Module, _Measure] = {
        **dict.fromkeys(
            keys,
            lambda keys: keys.reshape(-1, heads, 2, size // 2).norm(dim=2) * config.rotary_scale,
        ),
        **dict.fromkeys(values, lambda values: values.reshape(-1, heads, size).abs()),
    }
    found: dict[nn.Module, Tensor] = {}

    def update(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        sizes = measures[module](output[0]).amax(dim=0)
        found[module] = torch.maximum(found[module], sizes) if module in found else sizes

    hooks = [module.register_forward_hook(update) for module in measures]
    try:
        _run(model, prompts, on_prompt)
    finally:
        for hook in hooks:
            hook.remove()
    return ActivationRanges(*([found[module] for module in modules] for modules in (keys, values)))


def _run(
    model: PreTrainedModel, prompts: Sequence[list[int]], on_prompt: Callable[[int], None]
) -> None:
    """Compute every prompt, and the prefix that all have in common once."""
    shared = _common_prefix(prompts)
    with torch.no_grad():
        cache = None
        if shared >= _SHORTEST_PREFIX:
            cache = DynamicCache()
            model.model(torch.tensor([prompts[0][:shared]]), past_key_values=cache, use_cache=True)
        for done, prompt in enumerate(prompts, start=1):
            if cache is None:
                model.model(torch.tensor([prompt]), use_cache=False)
            else:
                suffix = torch.tensor([prompt[shared:]])
                model.model(suffix, past_key_values=cache, use_cache=True)
                cache.crop(shared)
            on_prompt(done)


def _common_prefix(prompts: Sequence[list[int]]) -> int:
    """Tokens that all prompts begin with; at least one token of each is left."""
    first, last = min(prompts), max(prompts)  # these two differ the earliest
    shortest = min(len(prompt) for prompt in prompts)
    differing = (n for n in range(shortest - 1) if first[n] != last[n])
    return next(differing, shortest - 1)
