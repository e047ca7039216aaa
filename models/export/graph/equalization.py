"""Equalizes the channels of keys and of values for 8 bits with one scale for each layer.

A query multiplies a key channel by channel, and the output projection multiplies the values.
Whatever divides a channel of the keys multiplies the query's, and whatever divides a channel of the
values multiplies the projection, so no result changes (as in SmoothQuant, arXiv 2211.10438). The
rotary embedding rotates a key's channels in pairs, the first of a head's first half with the first
of its second. Both channels of a pair have one divisor, computed from the pair's length: the most
that either can become.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from models.export.graph.decoder_config import DecoderConfig
from models.export.graph.ranges import ActivationRanges

_LEAST = 1e-5


@dataclass(frozen=True, slots=True)
class AbsmaxRanges:
    """The largest absolute value of any channel of the keys and of the values, for each layer."""

    keys: tuple[float, ...]
    values: tuple[float, ...]


def equalize(model: PreTrainedModel, ranges: ActivationRanges) -> AbsmaxRanges:
    """Equalize the keys and values of a model in place; ``ranges`` are the model's.

    Returns the ranges of the equalized keys and values. Raises UnsupportedArchitecture.
    """
    sharing = DecoderConfig.of(model).sharing
    with torch.no_grad():
        for layer, keys, values in zip(model.model.layers, ranges.keys, ranges.values, strict=True):
            _equalize_keys(layer.self_attn, _divisors(keys), sharing)
            _equalize_values(layer.self_attn, _divisors(values), sharing)
    return AbsmaxRanges(
        *(tuple(float(each.max()) for each in found) for found in (ranges.keys, ranges.values))
    )


def _divisors(sizes: Tensor) -> Tensor:
    """What to divide channels by so that all become as large as the largest, which stays."""
    return sizes.clamp(min=_LEAST) / sizes.max().clamp(min=_LEAST)


def _equalize_keys(attention: nn.Module, pairs: Tensor, sharing: int) -> None:
    """``pairs`` [key/value heads, head size / 2] divide the keys, and multiply the queries."""
    if hasattr(attention, "k_norm"):  # one weight for all heads, after the products
        divisors = pairs.amax(dim=0).repeat(2)
        attention.k_norm.weight /= divisors  # type: ignore[operator]
        attention.q_norm.weight *= divisors  # type: ignore[operator]
    else:
        divisors = pairs.repeat(1, 2)
        _multiply_rows(attention.k_proj, 1 / divisors.flatten())  # type: ignore[arg-type]
        _multiply_rows(attention.q_proj, divisors.repeat_interleave(sharing, dim=0).flatten())  # type: ignore[arg-type]


def _equalize_values(attention: nn.Module, channels: Tensor, sharing: int) -> None:
    """Divide the values by ``channels``, and multiply the output projection with them.

    ``channels`` is [key/value heads, head size].
    """
    _multiply_rows(attention.v_proj, 1 / channels.flatten())  # type: ignore[arg-type]
    attention.o_proj.weight *= channels.repeat_interleave(sharing, dim=0).flatten()  # type: ignore[operator, union-attr]


def _multiply_rows(product: nn.Linear, numbers: Tensor) -> None:
    product.weight *= numbers[:, None]
    if product.bias is not None:
        product.bias *= numbers
