"""Moves outliers of what a matrix multiplies into the matrix itself, so that 8 bits with one scale
bear both.

SmoothQuant (Xiao et al. 2023, arXiv 2211.10438), for the last product of each feed-forward: each of
its inputs is a product with a row of the matrix before, so dividing that row by a number and
multiplying the input's weights by it changes nothing.
"""

import torch
from transformers import PreTrainedModel

from models.export.graph.ranges import ActivationRanges

_STRENGTH = 0.8
"""Of an outlier, what goes into the weights: 0 nothing, 1 all. 0.5 to 0.9 pass for the house model;
0.8 keeps most tokens.
"""
_LEAST = 1e-5


def smooth(model: PreTrainedModel, ranges: ActivationRanges) -> None:
    """Change the weights in place; ``ranges`` are the model's. For the shapes of
    ``models/export/graph/decoder_config.py``.
    """
    for layer, largest in zip(model.model.layers, ranges.inputs, strict=True):
        up, down = layer.mlp.up_proj, layer.mlp.down_proj
        with torch.no_grad():
            weights = down.weight.abs().amax(dim=0)
            scales = largest.clamp(min=_LEAST) ** _STRENGTH / weights.clamp(min=_LEAST) ** (
                1 - _STRENGTH
            )
            scales /= scales.log().mean().exp()
            up.weight /= scales[:, None]
            if up.bias is not None:
                up.bias /= scales
            down.weight *= scales
