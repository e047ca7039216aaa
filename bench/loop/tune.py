"""Trains adapters on the base with ``models.training``."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from bench.loop.steps import Note
from models.atomic_file import atomic_directory
from models.prompts.layout import Prompter
from models.training.data import TrainingSet, sequences
from models.training.lora import adapt
from models.training.settings import LORA_RANK, TrainingSettings
from models.training.tuning import Step, fit
from schemas.records import Example


def tune(
    base: Path,
    prompts: Path,
    seeds: Sequence[Example],
    augmented: Sequence[Example],
    settings: TrainingSettings,
    place: Path,
    note: Note,
) -> dict[str, Any]:
    """Train on human seeds and on the loop's examples; the result is ``place/adapter``.

    ``prompts`` has the tokenizer and the chat template. Products are in fp32 on every CPU, in bf16
    on a GPU. A run that was ended continues from its last checkpoint. Returns the numbers of
    examples, sequences, tokens and steps, and the last loss. Raises TrainingError.
    """
    data = TrainingSet(seeds=tuple(seeds), held_out=(), augmented=tuple(augmented))
    chosen = sequences(data, Prompter.load(prompts), settings, settings.longest)
    losses: list[float] = []

    def on_step(now: Step) -> None:
        losses.append(now.loss)
        note(
            f"step {now.step:,} of {now.steps:,}, loss {now.loss:.2f}, "
            f"{now.tokens_per_second:.0f} tokens/s"
        )

    model = adapt(load(base), settings.lora_rank or LORA_RANK, settings.seed)
    steps = fit(
        model,
        prompts,
        chosen,
        len(seeds) + len(augmented),
        settings,
        place / "steps",
        on_step,
    )
    adapter = place / "adapter"
    shutil.rmtree(adapter, ignore_errors=True)
    with atomic_directory(adapter) as partial:
        model.save_pretrained(str(partial))
    return {
        "seeds": len(seeds),
        "augmented": len(augmented),
        "sequences": len(chosen),
        "tokens": sum(len(sequence.ids) for sequence in chosen),
        "steps": steps,
        "loss": losses[-1] if losses else None,
    }


def load(checkpoint: Path) -> PreTrainedModel:
    """Load a checkpoint in fp32."""
    return AutoModelForCausalLM.from_pretrained(
        checkpoint, dtype=torch.float32, local_files_only=True
    )
