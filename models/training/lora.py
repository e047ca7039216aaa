"""Low-rank adapters (LoRA, arXiv 2106.09685): a large base is left as it is, and two thin matrices
beside each layer learn.
"""

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel


def adapt(model: PreTrainedModel, rank: int, seed: int) -> PeftModel:
    """Put adapters of ``rank`` on the linear layers of attention and MLP; nothing else is trained.

    ``seed`` draws their first values, the same for the same run. They change nothing until they are
    trained.
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
    """The model with its adapters added to its weights, as one of the base's kind; itself where it
    has none.
    """
    return model.merge_and_unload() if isinstance(model, PeftModel) else model
