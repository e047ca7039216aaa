"""Makes the channels of keys equally large, and those of values, so that they can be kept in 8 bits with one scale a layer.

A query multiplies a key channel by channel, and the output's matrix multiplies the values: what divides a key's channel
multiplies the query's, and what divides a value's multiplies the matrix, so nothing changes (as in SmoothQuant, arXiv
2211.10438). The rotary embedding turns a key's channels in pairs, the first of a head's first half with the first of its
second; both of a pair have one divisor, and the pair's length is what they can become.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from models.ranges import Prompts, largest

_LEAST = 1e-5


@dataclass(frozen=True, slots=True)
class Spans:
    """How large keys and values become: for each layer, the largest absolute value of any channel."""

    keys: tuple[float, ...]
    values: tuple[float, ...]


def level(model: PreTrainedModel, prompts: Prompts) -> Spans:
    """Change the weights in place; ``prompts`` show how large keys and values become. For the shapes of ``models/graph.py``."""
    config = model.config
    heads = config.num_key_value_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    sharing = config.num_attention_heads // heads
    attentions = [layer.self_attn for layer in model.model.layers]
    keys = [getattr(attention, "k_norm", attention.k_proj) for attention in attentions]
    values = [attention.v_proj for attention in attentions]
    found = largest(
        model,
        prompts,
        {
            **dict.fromkeys(keys, lambda _, output: output[0].reshape(-1, heads, 2, size // 2).norm(dim=2)),
            **dict.fromkeys(values, lambda _, output: output[0].reshape(-1, heads, size).abs()),
        },
    )
    turned = float(getattr(model.model.rotary_emb, "attention_scaling", 1.0))
    spans = Spans(tuple(float(found[each].max()) * turned for each in keys), tuple(float(found[each].max()) for each in values))
    with torch.no_grad():
        for attention, key, value in zip(attentions, keys, values, strict=True):
            _level_keys(attention, _even(found[key]), sharing)
            _level_values(attention, _even(found[value]), sharing)
    return spans


def _even(sizes: Tensor) -> Tensor:
    """What to divide channels by, so that the largest stays as it is and all others become as large."""
    return sizes.clamp(min=_LEAST) / sizes.max().clamp(min=_LEAST)


def _level_keys(attention: nn.Module, pairs: Tensor, sharing: int) -> None:
    """``pairs`` [key/value heads, head size / 2] divide the keys, and multiply the queries."""
    if hasattr(attention, "k_norm"):  # one weight for all heads, after the products
        divisors = pairs.amax(dim=0).repeat(2)
        attention.k_norm.weight /= divisors  # type: ignore[operator]
        attention.q_norm.weight *= divisors  # type: ignore[operator]
    else:
        divisors = pairs.repeat(1, 2)
        _multiply_rows(attention.k_proj, 1 / divisors.flatten())  # type: ignore[arg-type]
        _multiply_rows(attention.q_proj, divisors.repeat_interleave(sharing, dim=0).flatten())  # type: ignore[arg-type]


def _level_values(attention: nn.Module, channels: Tensor, sharing: int) -> None:
    """``channels`` [key/value heads, head size] divide the values, and multiply what the output's matrix makes of them."""
    _multiply_rows(attention.v_proj, 1 / channels.flatten())  # type: ignore[arg-type]
    attention.o_proj.weight *= channels.repeat_interleave(sharing, dim=0).flatten()  # type: ignore[operator, union-attr]


def _multiply_rows(product: nn.Linear, numbers: Tensor) -> None:
    product.weight *= numbers[:, None]
    if product.bias is not None:
        product.bias *= numbers
