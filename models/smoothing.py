"""Moves outliers of what a matrix multiplies into the matrix itself, so that 8 bits with one scale bear both.

SmoothQuant (Xiao et al. 2023, arXiv 2211.10438), for the last product of each feed-forward: each of its inputs is a product
with a row of the matrix before, so dividing that row by a number and multiplying the input's weights by it changes nothing.
"""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from models.ranges import Prompts, largest

_STRENGTH = 0.8
"""Of an outlier, what goes into the weights: 0 nothing, 1 all. 0.5 to 0.9 pass for the house model; 0.8 keeps most tokens."""
_LEAST = 1e-5


def smooth(model: PreTrainedModel, prompts: Prompts) -> None:
    """Change the weights in place; ``prompts`` show how large their inputs become. For the shapes of ``models/graph.py``."""
    for layer, inputs in zip(model.model.layers, largest_inputs(model, prompts), strict=True):
        up, down = layer.mlp.up_proj, layer.mlp.down_proj
        with torch.no_grad():
            weights = down.weight.abs().amax(dim=0)
            scales = inputs.clamp(min=_LEAST) ** _STRENGTH / weights.clamp(min=_LEAST) ** (1 - _STRENGTH)
            scales /= scales.log().mean().exp()
            up.weight /= scales[:, None]
            if up.bias is not None:
                up.bias /= scales
            down.weight *= scales


def largest_inputs(model: PreTrainedModel, prompts: Prompts) -> list[Tensor]:
    """For each layer, [feed-forward size]: the largest absolute values that its last product multiplies."""
    products = [layer.mlp.down_proj for layer in model.model.layers]
    found = largest(model, prompts, {product: lambda inputs, _: inputs[0].abs() for product in products})
    return [found[product] for product in products]
