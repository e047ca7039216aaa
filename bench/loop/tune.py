"""Fine-tunes the base with ``models.training``, and exports the result as a release."""

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from bench.loop.steps import Note
from models.export.export import export
from models.prompts.layout import Prompter
from models.releases.checkpoints import side_files
from models.releases.release import Origin, is_release, release_id, write_manifest
from models.training.data import TrainingSet, sequences
from models.training.settings import TrainingSettings
from models.training.tuning import Step, fit
from schemas.records import Example


def tune(
    base: Path,
    seeds: Sequence[Example],
    augmented: Sequence[Example],
    settings: TrainingSettings,
    work: Path,
    note: Note,
) -> dict[str, Any]:
    """Train on human seeds and on the loop's examples; the checkpoint is ``work/checkpoint``.

    A killed run continues from its last checkpoint. Returns the numbers of examples, sequences,
    tokens and steps, and the last loss. Raises TrainingError.
    """
    data = TrainingSet(seeds=tuple(seeds), held_out=(), augmented=tuple(augmented))
    prompter = Prompter.load(base)
    chosen = sequences(data, prompter, settings, settings.longest)
    losses: list[float] = []

    def on_step(now: Step) -> None:
        losses.append(now.loss)
        note(f"step {now.step:,} of {now.steps:,}, loss {now.loss:.2f}")

    model = load(base)
    steps = fit(
        model,
        base,
        chosen,
        len(seeds) + len(augmented),
        settings,
        work / "steps",
        on_step,
        cpu_bf16=True,
    )
    checkpoint = work / "checkpoint"
    shutil.rmtree(checkpoint, ignore_errors=True)
    model.to(dtype=torch.float16).save_pretrained(checkpoint)
    for file in side_files(base):
        shutil.copyfile(file, checkpoint / file.name)
    shutil.rmtree(work / "steps", ignore_errors=True)
    tokens = sum(len(sequence.ids) for sequence in chosen)
    return {
        "seeds": len(seeds),
        "augmented": len(augmented),
        "sequences": len(chosen),
        "tokens": tokens,
        "steps": steps,
        "rate": settings.rate,
        "loss": losses[-1] if losses else None,
    }


def load(checkpoint: Path) -> PreTrainedModel:
    """Load a checkpoint in fp32."""
    return AutoModelForCausalLM.from_pretrained(
        checkpoint, dtype=torch.float32, local_files_only=True
    )


def release_of(work: Path, base: str) -> Path:
    """Export ``work/checkpoint`` to ``work/release``, once; return the latter.

    ``base`` is the id of the base in the manifest.
    """
    release, partial = work / "release", work / "release.new"
    if not is_release(release):
        shutil.rmtree(partial, ignore_errors=True)
        export(str(work / "checkpoint"), partial)
        asyncio.run(write_manifest(partial, Origin(id=release_id(partial, work.name), base=base)))
        shutil.rmtree(release, ignore_errors=True)
        partial.rename(release)
    return release
