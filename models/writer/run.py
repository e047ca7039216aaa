"""Trains the writer's adapter, and saves it in fp16."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from models.evaluation.measure import measure
from models.prompts.layout import Prompter
from models.releases.adapters import drop_chat_template
from models.releases.checkpoints import CHAT_TEMPLATE, TOKENIZER_CONFIG, side_files
from models.releases.names import WRITER_ADAPTER
from models.training.lora import adapt
from models.training.tuning import fit
from models.writer.data import WriterData, training_sequences
from models.writer.settings import Recipe
from schemas.errors import TrainingError

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
_THRESHOLD = 4.0
"""Rating at which the precision of the validation is measured."""


def train(
    recipe: Recipe,
    base: Path,
    dolly: Path,
    work: Path,
    *,
    max_steps: int | None = None,
    minutes: float | None = None,
    measured: int = 200,
    cpu_bf16: bool = False,
) -> Path:
    """Run or resume the recipe; return the directory of the adapter, ``work/adapter``.

    ``measured`` validation rows are measured at the end; ``cpu_bf16`` is that of ``tuning.fit``.
    Raises TrainingError where the loss or the weights are not finite, or the data has too few rows.
    """
    started = time.monotonic()
    data = WriterData.read(dolly, recipe)
    prompts = prompt_files(base, work / "prompts")
    prompter = Prompter.load(prompts)
    sequences = training_sequences(data, prompter, recipe)
    model = AutoModelForCausalLM.from_pretrained(
        base, dtype=torch.float32, local_files_only=True, use_safetensors=True
    )
    if torch.cuda.is_available():
        model = model.to(device="cuda")
    tuned = adapt(model, recipe.rank, recipe.seed)
    log = work / "log.jsonl"

    def emit(event: dict[str, Any]) -> None:
        line = json.dumps({**event, "seconds": round(time.monotonic() - started, 1)})
        print(line, flush=True)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    emit(
        {
            "event": "started",
            "pairs": len(data.pairs),
            "leaked": data.leaked,
            "sequences": len(sequences),
            "tokens": sum(len(sequence.ids) for sequence in sequences),
        }
    )

    settings = recipe.training(max_steps=max_steps, minutes=minutes)
    fit(
        tuned,
        prompts,
        sequences,
        len(data.pairs),
        settings,
        work / "checkpoints",
        lambda now: emit(now.event()),
        cpu_bf16=cpu_bf16,
    )
    adapter = save_adapter(tuned, work / "adapter")
    if measured:
        usable = [pair for pair in data.validation if pair.instruction and pair.response]
        found = measure(tuned, prompter, usable[:measured])
        emit({"event": "evaluated", "metrics": found.metrics(_THRESHOLD)})
    return adapter


def prompt_files(base: Path, directory: Path) -> Path:
    """Copy the base's configuration and tokenizer, with the writer's own chat template."""
    directory.mkdir(parents=True, exist_ok=True)
    for file in side_files(base):
        shutil.copyfile(file, directory / file.name)
    shutil.copyfile(WRITER_ADAPTER / CHAT_TEMPLATE, directory / CHAT_TEMPLATE)
    drop_chat_template(directory / TOKENIZER_CONFIG)
    return directory


def save_adapter(model: PeftModel, directory: Path) -> Path:
    """Write the adapter in fp16, with its configuration and chat template.

    Raises TrainingError where a weight is not finite in fp16.
    """
    weights = {
        name: weight.to(torch.float16).cpu().contiguous()
        for name, weight in get_peft_model_state_dict(model).items()
    }
    if not all(bool(torch.isfinite(weight).all()) for weight in weights.values()):
        raise TrainingError("the adapter is not finite in fp16: lower the learning rate")
    directory.mkdir(parents=True, exist_ok=True)
    save_file(weights, directory / WEIGHTS, {"format": "pt"})
    config = model.peft_config["default"]
    kept = {
        "base_model_name_or_path": BASE,
        "bias": "none",
        "inference_mode": True,
        "lora_alpha": config.lora_alpha,
        "lora_dropout": 0.0,
        "peft_type": "LORA",
        "r": config.r,
        "target_modules": sorted(config.target_modules),
        "task_type": "CAUSAL_LM",
    }
    (directory / CONFIG).write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(WRITER_ADAPTER / CHAT_TEMPLATE, directory / CHAT_TEMPLATE)
    return directory
