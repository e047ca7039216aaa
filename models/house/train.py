"""Trains the house model, from its data to a release directory. Resumable.

``python -m models.house.train --data dolly.jsonl --documentation passages.jsonl``; the passages are
the output of ``models/house/documentation.sh``.

Optimisers: Muon (torch.optim.Muon) on the matrices inside the layers, AdamW on the rest.
"""

import os

# Some virtual machines report AMX, but the process is killed (SIGILL) when Muon's bf16 products use
# it. This must be set before torch is imported.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")

import argparse
import itertools
import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers import models as tokenizer_models
from torch.nn import functional
from transformers import Qwen3Config, Qwen3ForCausalLM

from models.evaluation.measure import pad
from models.house.contrast import ContrastSequence, layout
from models.house.data import Passages, read_pairs, training_batches
from models.house.settings import Recipe
from models.prompts.layout import Prompter
from models.prompts.sequences import TrainingSequence
from models.prompts.template import MARKERS
from models.releases.cache import default_cache
from models.releases.catalogue import prepare
from models.seeds.pairs import Pair

_THIN = 5
"""The tokenizer is trained on every fifth text of the documentation.

That is about as much text as the instruction data has.
"""
_END, _PAD = "<|end|>", "<|pad|>"


def train_tokenizer(recipe: Recipe, texts: Sequence[str], directory: Path) -> None:
    """Train a byte-level BPE tokenizer with a token for each digit, and save it.

    A rating is then one token.
    """
    tokenizer = Tokenizer(tokenizer_models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary,
        special_tokens=[_PAD, _END, *MARKERS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": _END,
        "pad_token": _PAD,
        "model_max_length": recipe.context,
        "clean_up_tokenization_spaces": False,
    }
    (directory / "tokenizer_config.json").write_text(
        json.dumps(config, indent=2) + "\n", encoding="utf-8"
    )


def build_model(recipe: Recipe, prompter: Prompter) -> Qwen3ForCausalLM:
    """Build a Qwen3 decoder with random weights.

    The output projections of its layers are zero, so that at first a layer adds nothing to its
    input.
    """
    torch.manual_seed(recipe.seed)
    end = prompter.stop_ids[0]
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=prompter.tokenizer.get_vocab_size(),
            hidden_size=recipe.width,
            intermediate_size=recipe.feed_forward,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.key_value_heads,
            head_dim=recipe.width // recipe.heads,
            max_position_embeddings=recipe.context,
            tie_word_embeddings=True,
            bos_token_id=end,
            eos_token_id=end,
            pad_token_id=prompter.tokenizer.token_to_id(_PAD),
        )
    )
    for layer in model.model.layers:
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
        torch.nn.init.zeros_(layer.mlp.down_proj.weight)
    return model


def add_dropout(model: Qwen3ForCausalLM) -> torch.nn.Dropout:
    """Add dropout to the embeddings and to each layer's residual outputs.

    Decoders of transformers lack it. Returns the module, to set its probability.
    """
    dropout = torch.nn.Dropout(0.0)
    layers = model.model.layers
    added = [part for layer in layers for part in (layer.self_attn.o_proj, layer.mlp.down_proj)]
    for part in (model.model.embed_tokens, *added):
        part.register_forward_hook(
            lambda module, _, output: dropout(output) if module.training else output
        )
    return dropout


class Optimisers:
    """Muon and AdamW under one schedule: warm up, hold, fall to zero linearly."""

    def __init__(self, recipe: Recipe, model: Qwen3ForCausalLM) -> None:
        self._recipe = recipe
        inside = {id(p) for p in model.model.layers.parameters() if p.ndim == 2}
        matrices = [p for p in model.parameters() if id(p) in inside]
        rest = [p for p in model.parameters() if id(p) not in inside]
        self._both: list[torch.optim.Optimizer] = [
            torch.optim.Muon(matrices, lr=recipe.matrix_rate, weight_decay=recipe.weight_decay),
            torch.optim.AdamW(rest, lr=recipe.vector_rate, betas=(0.9, 0.95), weight_decay=0.0),
        ]
        self._rates = [recipe.matrix_rate, recipe.vector_rate]

    def step(self, done: float, decay: float) -> None:
        """Update the weights.

        ``done`` is the finished share of the phase, ``decay`` the share in which the rates fall.
        """
        factor = min(1.0, done / self._recipe.warm_up + 0.01, (1.0 - done) / decay)
        for optimiser, rate in zip(self._both, self._rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * max(factor, 0.0)
            optimiser.step()
            optimiser.zero_grad()

    def state(self) -> list[dict[str, Any]]:
        return [optimiser.state_dict() for optimiser in self._both]

    def load(self, states: list[dict[str, Any]]) -> None:
        for optimiser, state in zip(self._both, states, strict=True):
            optimiser.load_state_dict(state)


def batch_loss(model: Qwen3ForCausalLM, batch: Sequence[TrainingSequence]) -> torch.Tensor:
    """Return the weighted mean cross-entropy.

    Padding is on the right, so a batch without branches needs no mask.
    """
    ids, weights = pad(batch)
    positions, mask = (
        layout(batch, ids.shape[1])
        if any(isinstance(s, ContrastSequence) for s in batch)
        else (None, None)
    )
    logits = model(
        input_ids=ids, position_ids=positions, attention_mask=mask, use_cache=False
    ).logits[:, :-1]
    losses = functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    flat = weights[:, 1:].flatten()
    return (losses * flat).sum() / flat.sum()


def train_step(
    recipe: Recipe,
    model: Qwen3ForCausalLM,
    optimisers: Optimisers,
    batch: Sequence[TrainingSequence],
    done: float,
    decay: float,
) -> float:
    """Update the weights on a batch, and return its loss.

    ``done`` and ``decay`` are those of ``Optimisers.step``.
    """
    # Weights and optimisers stay fp32; 1.8 times as fast on AVX512-BF16.
    with torch.autocast("cpu", torch.bfloat16):
        loss = batch_loss(model, batch)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
    optimisers.step(done, decay)
    return float(loss.item())


@dataclass
class TrainingProgress:
    """Progress of a run, saved with each checkpoint."""

    phase: int = 0
    tokens: int = 0
    """Of the phase."""
    batches: int = 0
    """Of the phase."""
    seconds: float = 0.0
    """Of the run."""


def train(recipe: Recipe, data: Path, documentation: Path, work: Path) -> Path:
    """Run or resume the recipe; return the directory of the checkpoint, ``work/checkpoint``."""
    pairs = read_pairs(data)[: -recipe.held_out]
    passages = Passages.read(documentation, recipe.held_out_passages).training
    checkpoint, state_file, log = work / "checkpoint", work / "state.pt", work / "log.jsonl"
    if not (checkpoint / "tokenizer.json").exists():
        train_tokenizer(recipe, [*_texts(pairs), *_texts(passages)[::_THIN]], checkpoint)
    prompter = Prompter.load(checkpoint)
    model = build_model(recipe, prompter)
    dropout, optimisers = add_dropout(model), Optimisers(recipe, model)
    progress = TrainingProgress()
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        model.load_state_dict(state["model"])
        optimisers.load(state["optimisers"])
        torch.set_rng_state(state["random"])
        progress = TrainingProgress(**state["progress"])
    size = sum(p.numel() for p in model.parameters())
    print(f"{size:,} parameters, {len(pairs):,} pairs, {len(passages):,} passages, {progress}")
    model.train()
    started, saved = time.monotonic() - progress.seconds, time.monotonic()
    while progress.phase < len(recipe.phases):
        phase = recipe.phases[progress.phase]
        dropout.p = phase.dropout
        stream = training_batches(recipe, progress.phase, prompter, pairs, passages)
        for _ in range(progress.batches):  # the stream is seeded, so skipping restores its position
            next(stream)
        average = None
        while progress.tokens < phase.tokens:
            batch = next(stream)
            loss = train_step(
                recipe, model, optimisers, batch, progress.tokens / phase.tokens, phase.decay
            )
            progress.tokens += sum(len(sequence.ids) for sequence in batch)
            progress.batches += 1
            progress.seconds = time.monotonic() - started
            average = loss if average is None else 0.98 * average + 0.02 * loss
            if progress.batches % 50 == 0:
                _log(log, {**asdict(progress), "loss": round(average, 4)})
            if time.monotonic() - saved > recipe.checkpoint_minutes * 60:
                _save_state(state_file, model, optimisers, progress)
                saved = time.monotonic()
        progress = TrainingProgress(phase=progress.phase + 1, seconds=progress.seconds)
        _save_state(state_file, model, optimisers, progress)
    model.to(dtype=torch.float16).save_pretrained(checkpoint)
    return checkpoint


def _log(file: Path, line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)
    with file.open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def _save_state(
    file: Path, model: Qwen3ForCausalLM, optimisers: Optimisers, progress: TrainingProgress
) -> None:
    temporary = file.with_suffix(".new")
    parts = {
        "model": model.state_dict(),
        "optimisers": optimisers.state(),
        "progress": asdict(progress),
    }
    torch.save({**parts, "random": torch.get_rng_state()}, temporary)
    temporary.replace(file)


def _texts(pairs: Sequence[Pair]) -> list[str]:
    return list(
        itertools.chain.from_iterable((p.instruction, p.context, p.response) for p in pairs)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a Dolly-format JSONL file")
    parser.add_argument(
        "--documentation", type=Path, required=True, help="what `backstream segment` wrote"
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("work/house"),
        help="checkpoints and log (default: work/house)",
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    random.seed(0)
    arguments.work.mkdir(parents=True, exist_ok=True)
    checkpoint = train(Recipe(), arguments.data, arguments.documentation, arguments.work)
    print(prepare(str(checkpoint), default_cache(), progress=print))


if __name__ == "__main__":
    main()
