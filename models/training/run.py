"""One run, from the examples to a release directory."""

import asyncio
import hashlib
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from models.checkpoints import side_files
from models.evaluation import evaluate
from models.export import export
from models.grades import Pair
from models.prompts import Prompter
from models.release import Manifest, Origin, is_release, read_manifest, release_id, verify, write_manifest
from models.training.data import TrainingSet, divide, read_examples, sequences
from models.training.settings import TrainingSettings
from models.training.tuning import fit
from schemas.errors import ModelError, TrainingError
from schemas.records import Example

Emit = Callable[[dict[str, Any]], None]
"""Takes one event, as described in ``models.training.__main__``."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run is made from. ``base`` and ``parent`` are release directories; they may be the same."""

    base: Path
    parent: Path
    examples: Path
    releases: Path
    """Where the release directory is written, and the run's checkpoints until then."""


def train(inputs: Inputs, settings: TrainingSettings, emit: Emit) -> Path:
    """Train, measure, export and write a release; returns its directory, ``releases/<release id>``.

    A run that was killed goes on from its last checkpoint when it is started again with the same inputs; one that has
    its release already gives it back. Raises TrainingError or ModelError.
    """
    base, parent = verify(inputs.base), verify(inputs.parent)
    examples = read_examples(inputs.examples)
    run = _run_id(base, parent, examples, settings)
    inputs.releases.mkdir(parents=True, exist_ok=True)
    for done in sorted(inputs.releases.iterdir()):
        if is_release(done) and read_manifest(done).run == run:
            verify(done)
            _emit_released(done, emit)
            return done
    data = divide(examples, settings.held_out_share)
    work = inputs.releases / f"{run[:16]}.training"
    release = _train(inputs, settings, data, _Lineage(base.id, parent.id, run), work, emit)
    shutil.rmtree(work, ignore_errors=True)
    _emit_released(release, emit)
    return release


@dataclass(frozen=True, slots=True)
class _Lineage:
    base: str
    parent: str
    run: str


def _train(inputs: Inputs, settings: TrainingSettings, data: TrainingSet, lineage: _Lineage, work: Path, emit: Emit) -> Path:
    prompter = Prompter.load(inputs.base)
    model = _load(inputs.base)
    context = int(getattr(model.config, "max_position_embeddings", None) or settings.longest)
    chosen = sequences(data, prompter, settings, context)
    counts = {"examples": len(data.augmented), "seeds": len(data.seeds), "leaked": data.leaked}
    emit({"event": "started", **counts, "sequences": len(chosen)})

    held_out = [Pair.of(example) for example in data.held_out]
    parent_metrics = evaluate(_load(inputs.parent), Prompter.load(inputs.parent), held_out)
    emit({"event": "evaluated", "model": "parent", "metrics": parent_metrics})

    def report(step: int, steps: int, loss: float) -> None:
        emit({"event": "step", "step": step, "steps": steps, "loss": round(loss, 4)})

    count = len(data.seeds) + len(data.augmented)
    steps = fit(model, inputs.base, chosen, count, settings, work / "checkpoints", report)
    checkpoint = _save(model, inputs.base, work / "checkpoint")
    # What is measured is what will be served: the weights as they were rounded to be saved.
    metrics = evaluate(_load(checkpoint), prompter, held_out)
    emit({"event": "evaluated", "model": "new", "metrics": metrics})

    exported = work / "release"
    shutil.rmtree(exported, ignore_errors=True)
    export(str(checkpoint), exported)
    origin = Origin(
        id=release_id(exported, "r", (lineage.run,)),
        base=lineage.base,
        parent=lineage.parent,
        run=lineage.run,
        metrics=metrics,
        parent_metrics=parent_metrics,
        counts={**counts, "held_out": len(data.held_out), "steps": steps},
    )
    asyncio.run(write_manifest(exported, origin))
    release = inputs.releases / origin.id
    if not is_release(release):
        shutil.rmtree(release, ignore_errors=True)  # a directory without a manifest: never finished
        exported.rename(release)
    return release


def _load(directory: Path) -> PreTrainedModel:
    """A model in fp32: bf16 is no faster on a CPU, and a small rate is lost in it."""
    try:
        model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, local_files_only=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{directory} cannot be loaded for training: {error}") from error
    return model.to(device="cuda") if torch.cuda.is_available() else model


def _save(model: PreTrainedModel, base: Path, directory: Path) -> Path:
    """A checkpoint in the base's precision, with the base's configuration and tokenizer."""
    dtype = AutoConfig.from_pretrained(base, local_files_only=True).dtype or torch.float32
    if not all(bool(torch.isfinite(parameter.to(dtype)).all()) for parameter in model.parameters()):
        raise TrainingError(f"the trained weights are not all finite as {dtype}: lower the learning rate")
    shutil.rmtree(directory, ignore_errors=True)
    model.to(dtype=dtype).save_pretrained(directory)
    for file in side_files(base):
        shutil.copyfile(file, directory / file.name)
    return directory


def _run_id(base: Manifest, parent: Manifest, examples: Iterable[Example], settings: TrainingSettings) -> str:
    """Hash of all that decides what a run trains and measures."""
    digest = hashlib.sha256(f"{base.id} {parent.id} {settings.digest()}\n".encode())
    for line in sorted({example.model_dump_json() for example in examples}):
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def _emit_released(directory: Path, emit: Emit) -> None:
    manifest = read_manifest(directory)
    emit(
        {
            "event": "released",
            "id": manifest.id,
            "directory": str(directory),
            "metrics": manifest.metrics,
            "parent_metrics": manifest.parent_metrics,
            "counts": manifest.counts,
        }
    )
