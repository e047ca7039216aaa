"""Compares scoring with the engine's own prefill and with transformers: ``python -m bench.score``.

Options: ``--model HOUSE_OR_CHECKPOINT --texts 24 --rounds 5 --threads N``. All are in fp32 and
compute the same texts, one contestant at a time, in alternating rounds. There are two kinds of
work, those of a judge by likelihood. *Responses*: a passage after a prompt of 16 tokens, so that
nearly every token is a target. *Instructions*: four short targets after one long prompt, which the
engine computes once.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")  # must precede torch

from bench.report import Row, machine, publish
from models.engine import DECODER_FILE, Engine
from models.prompts.layout import Prompter
from models.releases.checkpoints import HOUSE, locate
from streams.run.demo.documents import demo_documents

_PROMPT = 16
"""Tokens before a response."""
_MOST = 400
"""Most tokens of a response, or of the prompt of instructions."""
_TARGETS, _TARGET = 4, 16
"""Instructions after a prompt, and tokens of each."""
_ROWS = 8
"""Texts in a batch of transformers, sorted by length."""

Asked = tuple[list[int], list[int]]
"""A prompt and a target."""
Nats = list[list[float]]


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to compute the texts."""

    name: str
    run: Callable[[Sequence[Asked]], Nats]


def main() -> None:
    """Measure, and print medians and ratios."""
    parser = argparse.ArgumentParser(prog="python -m bench.score", description=__doc__)
    parser.add_argument("--model", default=HOUSE, help="house, or a checkpoint's directory")
    parser.add_argument("--texts", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    found, checkpoint = machine(), locate(options.model)
    with tempfile.TemporaryDirectory(prefix="backstream-bench-") as directory:
        engine, torch_model = _load(checkpoint, Path(directory), options.threads)
        contestants = (
            Contestant("engine, score", lambda asked: _in_engine(engine, asked)),
            Contestant("engine, prefill alone", lambda asked: _prefill(engine, asked)),
            Contestant("transformers, forward", lambda asked: _forward(torch_model, asked)),
        )
        beginnings = itertools.count(1)
        try:
            rows = [
                row
                for kind, work in _work(checkpoint, options.texts, torch_model.config).items()
                for row in _measure(kind, work, contestants, options.rounds, beginnings)
            ]
        finally:
            engine.close()
    publish(found, options.rounds, rows, options.output)


def _load(checkpoint: Path, directory: Path, threads: int) -> tuple[Engine, Any]:
    import torch
    from transformers import AutoModelForCausalLM

    from models.export.graph import build

    torch.set_num_threads(threads)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    build(model, directory / DECODER_FILE)
    window = {"max_position_embeddings": model.config.max_position_embeddings}
    (directory / "config.json").write_text(json.dumps(window), encoding="utf-8")
    return Engine.load(directory, device="cpu", threads=threads, precision="fp32"), model


def _work(checkpoint: Path, texts: int, config: Any) -> dict[str, list[Asked]]:
    """Both kinds of work, over the demo's documents."""
    tokenizer = Prompter.load(checkpoint).tokenizer
    documents = [tokenizer.encode(document.text).ids for document in demo_documents()]
    most = min(_MOST, config.max_position_embeddings - _TARGET)
    long = [ids[:most] for ids in documents if len(ids) > 4 * _PROMPT]
    chosen = [long[index * len(long) // texts] for index in range(texts)]
    draw = random.Random(1)
    return {
        "responses": [(ids[:_PROMPT], ids[_PROMPT:]) for ids in chosen],
        "instructions": [
            (ids, [draw.randrange(config.vocab_size) for _ in range(_TARGET)])
            for ids in chosen[: -(-texts // _TARGETS)]
            for _ in range(_TARGETS)
        ],
    }


def _measure(
    kind: str,
    work: Sequence[Asked],
    contestants: Sequence[Contestant],
    rounds: int,
    beginnings: Iterator[int],
) -> list[Row]:
    """Tokens a second of each contestant, ratios, and how far the engine's nats are off."""
    tokens = sum(len(prompt) + len(target) for prompt, target in work)
    seconds: dict[str, list[float]] = {each.name: [] for each in contestants}
    nats: dict[str, Nats] = {}
    for number in range(rounds + 1):
        for each in contestants:
            # Another first token each time: the engine reuses no text that it computed before.
            first = next(beginnings) if number else 0
            asked = [([first, *prompt[1:]], target) for prompt, target in work]
            started = time.perf_counter()
            nats[each.name] = each.run(asked)
            if number:
                seconds[each.name].append(time.perf_counter() - started)
        if not number:
            apart = _apart(nats[contestants[0].name], nats[contestants[-1].name])
    title = f"{kind}: {len(work)} texts, {tokens:,} tokens"
    ours = seconds[contestants[0].name]
    return [
        *(
            Row(f"{title}; tokens/s", name, [tokens / each for each in found])
            for name, found in seconds.items()
        ),
        *(
            Row(
                f"{kind}: rate of scoring divided by that of",
                name,
                [theirs / own for theirs, own in zip(found, ours, strict=True)],
            )
            for name, found in list(seconds.items())[1:]
        ),
        Row(f"{kind}: largest difference from transformers, nats", "a token", [apart], 1e-3),
    ]


def _in_engine(engine: Engine, asked: Sequence[Asked]) -> Nats:
    async def score() -> Nats:
        return [list(nats) for nats in await _gather(engine.score(*each) for each in asked)]

    return asyncio.run(score())


def _prefill(engine: Engine, asked: Sequence[Asked]) -> Nats:
    """The same tokens as prompts of ratings: computed without logits, but after the last one."""

    async def rate() -> Nats:
        await _gather(engine.rate([*prompt, *target], (1, 2, 3, 4, 5)) for prompt, target in asked)
        return []

    return asyncio.run(rate())


async def _gather(calls: Any) -> list[Any]:
    waiting: list[Awaitable[Any]] = list(calls)
    return list(await asyncio.gather(*waiting))


def _forward(model: Any, asked: Sequence[Asked]) -> Nats:
    """One forward pass for each batch of texts, padded on the right; then the log-softmax."""
    import torch

    found: dict[int, list[float]] = {}
    order = sorted(range(len(asked)), key=lambda index: sum(map(len, asked[index])))
    for start in range(0, len(order), _ROWS):
        batch = [(index, *asked[index]) for index in order[start : start + _ROWS]]
        longest = max(len(prompt) + len(target) for _, prompt, target in batch)
        padded = [
            [*prompt, *target, *[0] * (longest - len(prompt) - len(target))]
            for _, prompt, target in batch
        ]
        with torch.inference_mode():
            logits = model(torch.tensor(padded)).logits
            for (index, prompt, target), row in zip(batch, logits, strict=True):
                scored = row[len(prompt) - 1 : len(prompt) + len(target) - 1].log_softmax(-1)
                found[index] = (-scored[range(len(target)), target]).tolist()
    return [found[index] for index in range(len(asked))]


def _apart(ours: Nats, theirs: Nats) -> float:
    return max(
        abs(one - other)
        for own, their in zip(ours, theirs, strict=True)
        for one, other in zip(own, their, strict=True)
    )


if __name__ == "__main__":
    main()
