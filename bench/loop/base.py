"""Trains the base of all other models on text alone. Resumable.

It has the architecture of the house model.
"""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen3ForCausalLM

from bench.loop.settings import LoopSettings
from bench.loop.splits import Split
from bench.loop.steps import Note
from models.house.train import Optimisers, build_model, train_step, train_tokenizer
from models.prompts.layout import Prompter
from models.prompts.sequences import SequenceMaker, TrainingSequence, batches

_THIN = 5
"""The tokenizer is trained on every fifth text of the documentation, as for the house model."""
_LOGGED = 50
"""Batches between two entries of the log."""


@dataclass
class _PretrainingProgress:
    tokens: int = 0
    batches: int = 0
    seconds: float = 0.0
    loss: float | None = None
    """Moving mean."""


def pretrain(settings: LoopSettings, split: Split, work: Path, note: Note) -> dict[str, Any]:
    """Train or resume; the checkpoint is ``work/checkpoint``.

    Returns tokens, parameters, seconds and the log of the loss.
    """
    recipe = settings.recipe()
    checkpoint, state_file = work / "checkpoint", work / "state.pt"
    if not (checkpoint / "tokenizer_config.json").exists():
        note("tokenizer")
        train_tokenizer(recipe, [*split.dolly_texts, *split.passage_texts[::_THIN]], checkpoint)
    prompter = Prompter.load(checkpoint)
    model = build_model(recipe, prompter)
    optimisers = Optimisers(recipe, model)
    progress, log = _PretrainingProgress(), []
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        model.load_state_dict(state["model"])
        optimisers.load(state["optimisers"])
        progress, log = _PretrainingProgress(**state["progress"]), state["log"]
    model.train()
    stream = batches(_texts(settings, prompter, split), recipe.batch_tokens)
    for _ in range(progress.batches):  # the stream is seeded, so skipping restores its position
        next(stream)
    started, saved = time.monotonic() - progress.seconds, time.monotonic()
    while progress.tokens < settings.base_tokens:
        batch = next(stream)
        loss = train_step(
            recipe,
            model,
            optimisers,
            batch,
            progress.tokens / settings.base_tokens,
            settings.base_cooling,
        )
        progress.tokens += sum(len(sequence.ids) for sequence in batch)
        progress.batches += 1
        progress.seconds = time.monotonic() - started
        progress.loss = loss if progress.loss is None else 0.98 * progress.loss + 0.02 * loss
        if progress.batches % _LOGGED == 0:
            log.append([progress.tokens, round(progress.loss, 4)])
            note(
                f"{progress.tokens:,} of {settings.base_tokens:,} tokens, loss {progress.loss:.2f}"
            )
        if time.monotonic() - saved > settings.checkpoint_minutes * 60:
            _save(state_file, model, optimisers, progress, log)
            saved = time.monotonic()
    _save(state_file, model, optimisers, progress, log)
    model.to(dtype=torch.float16).save_pretrained(checkpoint)
    size = sum(parameter.numel() for parameter in model.parameters())
    return {
        "tokens": progress.tokens,
        "parameters": size,
        "seconds": progress.seconds,
        "loss": progress.loss,
        "log": log,
    }


def _texts(settings: LoopSettings, prompter: Prompter, split: Split) -> Iterator[TrainingSequence]:
    """Yield texts without end, the same for the same seed.

    Each kind is shuffled again when all of its texts were used.
    """
    generator = random.Random(settings.base_seed)
    maker = SequenceMaker(prompter)
    dolly, passages = (
        _shuffled(texts, generator) for texts in (split.dolly_texts, split.passage_texts)
    )
    while True:
        sequence = maker.text(
            next(passages if generator.random() < settings.base_documentation else dolly)
        )
        if len(sequence.ids) <= settings.longest:
            yield sequence


def _shuffled(texts: Sequence[str], generator: random.Random) -> Iterator[str]:
    while True:
        yield from generator.sample(texts, len(texts))


def _save(
    file: Path,
    model: Qwen3ForCausalLM,
    optimisers: Optimisers,
    progress: _PretrainingProgress,
    log: list[list[float]],
) -> None:
    temporary = file.with_suffix(".new")
    state = {
        "model": model.state_dict(),
        "optimisers": optimisers.state(),
        "progress": asdict(progress),
        "log": log,
    }
    torch.save(state, temporary)
    temporary.replace(file)
