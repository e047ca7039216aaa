"""Work for engines: the stream's own prompts over the demo's documents, and models of two sizes to
do it with.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from agents.segmenter import Segmenter
from bench.contestants import Passage
from models.engine import Engine, Precision, Sampling
from models.prompts.layout import Prompter
from models.releases.catalogue import default_cache, prepare
from models.releases.checkpoints import HOUSE_CHECKPOINT
from schemas.records import Segment
from streams.run.demo import demo_documents

_SIDE_FILES = ("tokenizer.json", "tokenizer_config.json")


def write_work(file: Path, passages: int, max_tokens: int = 64) -> list[Passage]:
    """Backward prompts over so many passages of the demo's documents, and the ratings of what the
    house model writes.

    How many tokens it writes for each is kept as well, so that every engine has exactly the same to
    do.
    """
    release = prepare("house", default_cache())  # not within an event loop: it may have to export
    work = asyncio.run(_work(release, passages, max_tokens))
    file.write_text(json.dumps([asdict(passage) for passage in work]), encoding="utf-8")
    return work


async def _work(release: Path, passages: int, max_tokens: int) -> list[Passage]:
    segmenter = Segmenter()
    segments: list[Segment] = []
    for document in demo_documents():
        segments += [made for made in await segmenter.handle(document) if isinstance(made, Segment)]
    chosen = [
        segments[index * len(segments) // passages] for index in range(min(passages, len(segments)))
    ]
    prompter = Prompter.load(release)
    engine = Engine.load(release, device="cpu", precision="fp32")

    async def one(segment: Segment) -> Passage:
        prompt = prompter.backward(segment.text)
        made = await engine.generate(
            prompt,
            Sampling(max_tokens=max_tokens, repetition_penalty=1.3),
            prompter.instruction_stop_ids,
        )
        instruction = prompter.instruction(made.ids, made.stop)
        return Passage(prompt, max(1, len(made.ids)), prompter.rating(instruction, segment.text))

    try:
        return list(await asyncio.gather(*map(one, chosen)))
    finally:
        engine.close()


def write_house(directory: Path) -> Path:
    """The house model as every engine wants it."""
    return _write(directory, HOUSE_CHECKPOINT)


def write_larger(directory: Path) -> Path:
    """A Qwen3 of 38 million random weights, with the house model's tokenizer."""
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


def _write(directory: Path, checkpoint: Path) -> Path:
    """A checkpoint beside our own graphs of it, in both precisions whatever the export would
    choose.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from models.export.graph import build, equalize, measure, smooth
    from models.export.int8_choice import calibration_prompts

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
    smooth(model, ranges)
    build(model, ours / Precision.INT8.file, Precision.INT8, kv_ranges=kv_ranges)
    (ours / "config.json").write_text((directory / "config.json").read_text())
    (directory / "digits.json").write_text(json.dumps(list(prompter.digit_ids)))
    return directory


def tokens(work: Sequence[Passage]) -> tuple[int, int]:
    """Prompt tokens, ratings' included, and new tokens."""
    return sum(len(p.prompt) + len(p.rating) for p in work), sum(p.tokens for p in work)
