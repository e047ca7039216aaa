"""A fine-tuning run of a few steps through the project's own training code."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.gpu.subjects import random_model
from bench.report import Row
from models.prompts.sequences import TrainingSequence
from models.releases.checkpoints import HOUSE_CHECKPOINT
from models.training.settings import TrainingSettings
from models.training.tuning import Step, fit


def measure(scratch: Path, device: str, shape: str, steps: int, length: int) -> Iterator[Row]:
    """Tokens a second, loss and memory of full fine-tuning, in bf16 on a GPU.

    The sequences are a few, repeated, so that the loss must fall.
    """
    import torch

    model = random_model(shape, device, torch.float32)
    draw = np.random.default_rng(3)
    batch = 8
    few = [tuple(draw.integers(2, 500, length).tolist()) for _ in range(batch)]
    sequences = [TrainingSequence(ids, (1.0,) * length) for _ in range(steps) for ids in few]
    reports: list[tuple[Step, float]] = []

    def on_step(step: Step) -> None:
        if device == "cuda":
            torch.cuda.synchronize()
        reports.append((step, time.perf_counter()))

    settings = TrainingSettings(rate=1e-4, batch=batch, save_steps=10**6)
    done = fit(
        model, HOUSE_CHECKPOINT, sequences, len(few), settings, scratch / "training", on_step
    )
    section = f"Fine-tuning, {shape} random weights, steps of {batch} x {length} tokens"
    (first, began), (last, ended) = reports[0], reports[-1]
    tokens = (last.step - first.step) * batch * length
    yield Row(section, "steps", [done], at_least=steps)
    yield Row(section, "loss of the first steps", [first.loss])
    yield Row(section, "loss of the last steps", [last.loss], at_most=first.loss)
    yield Row(section, "tokens/s", [tokens / (ended - began)])
    if device == "cuda":
        yield Row(section, "GB of GPU memory", [torch.cuda.max_memory_allocated() / 1e9])
