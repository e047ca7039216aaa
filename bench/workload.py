"""Workloads for engines: the stream's prompts over the demo's documents; models of three sizes."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from agents.segmenter import Segmenter
from bench.contestants import Passage
from models.engine import Engine, Precision
from models.prompts.layout import Prompter
from models.releases.cache import default_cache
from models.releases.catalogue import prepare
from models.releases.checkpoints import HOUSE_CHECKPOINT
from models.releases.sources import checkpoint_of
from models.sampling import Sampling
from schemas.records import Segment
from streams.run.demo.documents import demo_documents

_SIDE_FILES = ("tokenizer.json", "tokenizer_config.json")


def write_work(model: Path, file: Path, passages: int, max_tokens: int = 64) -> list[Passage]:
    """Write a workload of ``passages`` passages of the demo's documents for a model. Returns it.

    Each has its backward prompt, and the rating prompt of the instruction that the house model
    generates, in the model's own tokens. The number of tokens of that instruction is kept, so that
    every engine has the same work.
    """
    house = prepare("house", default_cache())  # outside of an event loop, because it may export
    work = asyncio.run(_work(house, Prompter.load(model), passages, max_tokens))
    file.write_text(json.dumps([asdict(passage) for passage in work]), encoding="utf-8")
    return work


async def _work(house: Path, prompter: Prompter, passages: int, max_tokens: int) -> list[Passage]:
    segmenter = Segmenter()
    segments: list[Segment] = []
    for document in demo_documents():
        segments += [made for made in await segmenter.handle(document) if isinstance(made, Segment)]
    chosen = [
        segments[index * len(segments) // passages] for index in range(min(passages, len(segments)))
    ]
    writer = Prompter.load(house)
    engine = Engine.load(house, device="cpu", precision="fp32")

    async def one(segment: Segment) -> Passage:
        made = await engine.generate(
            writer.backward(segment.text),
            Sampling(max_tokens=max_tokens, repetition_penalty=1.3),
            writer.instruction_stop_ids,
        )
        instruction = writer.instruction(made.ids, made.stop)
        return Passage(
            prompter.backward(segment.text),
            len(prompter.target(instruction)),
            prompter.rating(instruction, segment.text),
        )

    try:
        return list(await asyncio.gather(*map(one, chosen)))
    finally:
        engine.close()


def write_house(directory: Path) -> Path:
    """Write the house model in the formats of all engines."""
    return _write(directory, HOUSE_CHECKPOINT)


def write_larger(directory: Path) -> Path:
    """Write a Qwen3 of 38 million random weights, with the house model's tokenizer."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    vocabulary = Prompter.load(HOUSE_CHECKPOINT).tokenizer.get_vocab_size()
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=512,
        intermediate_size=1536,
        num_hidden_layers=12,
        num_attention_heads=8,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=1536,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=1,
    )
    source = directory / "source"
    Qwen3ForCausalLM(config).save_pretrained(source)
    for name in _SIDE_FILES:
        (source / name).write_bytes((HOUSE_CHECKPOINT / name).read_bytes())
    return _write(directory, source)


def write_smollm2(directory: Path) -> Path:
    """Write SmolLM2-135M-Instruct, which is brought into the cache if it is not there."""
    return _write(directory, checkpoint_of("smollm2", default_cache(), print))


def _write(directory: Path, checkpoint: Path) -> Path:
    """Write a checkpoint, and our graphs of it in both precisions, whichever is chosen."""
    import torch
    from transformers import AutoModelForCausalLM

    from models.export.graph import build, equalize, measure, rotate
    from models.export.seed_pairs import calibration_prompts

    ours = directory / "backstream"
    ours.mkdir(parents=True, exist_ok=True)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    model.save_pretrained(directory)
    for name in _SIDE_FILES:
        (directory / name).write_bytes((checkpoint / name).read_bytes())
    build(model, ours / Precision.FP32.file)
    prompter = Prompter.load(directory)
    ranges = measure(model, calibration_prompts(prompter, model.config.max_position_embeddings))
    kv_ranges = equalize(model, ranges)
    rotate(model)
    build(model, ours / Precision.INT8.file, Precision.INT8, kv_ranges=kv_ranges)
    (ours / "config.json").write_text((directory / "config.json").read_text())
    (directory / "digits.json").write_text(json.dumps(list(prompter.digit_ids)))
    return directory


def tokens(work: Sequence[Passage]) -> tuple[int, int]:
    """Number of prompt tokens, those of ratings included, and of new tokens."""
    return sum(len(p.prompt) + len(p.rating) for p in work), sum(p.tokens for p in work)
