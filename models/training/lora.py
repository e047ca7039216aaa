"""Low-rank adapters (LoRA, arXiv 2106.09685) for large bases."""

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel


def adapt(model: PreTrainedModel, rank: int, seed: int) -> PeftModel:
    """Add adapters of ``rank`` to the linear layers of attention and MLP.

    Nothing else is trained. ``seed`` determines the initial values. Untrained adapters do not
    change the output.
    """
    torch.manual_seed(seed)
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(model, config)
    assert isinstance(adapted, PeftModel)
    return adapted


def merged(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """Return the model with its adapters merged into its weights, or itself if it has none."""
    return model.merge_and_unload() if isinstance(model, PeftModel) else model
