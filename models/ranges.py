"""How large what a model computes becomes, over some prompts: what a scale of 8 bits has to span."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

Prompts = Sequence[Sequence[int]]
Measure = Callable[[Tensor, Tensor], Tensor]
"""From a module's input and output to sizes, [tokens, ...]."""


def largest(model: PreTrainedModel, prompts: Prompts, measures: Mapping[nn.Module, Measure]) -> dict[nn.Module, Tensor]:
    """For each module the largest of its sizes over all tokens of the prompts, [...]."""
    found: dict[nn.Module, Tensor] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        sizes = measures[module](inputs[0], output).amax(dim=0)
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
