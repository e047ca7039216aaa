"""Prefill and decode rates of our graph beside transformers in bf16, and the bandwidth reached.

The floor of a decode step is what it must read: every weight once, and the keys and values of every
slot. The bandwidth that this is compared with is measured on the same device, by a large copy.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.gpu.subjects import precisions_on, random_model, write_graphs
from bench.report import Row
from models.engine import Engine, EngineLimits
from models.engine.model_runner import Decode, Prefill
from models.engine.onnx_runner import OnnxModelRunner
from models.engine.sampling import Sampler
from models.sampling import Sampling

_GREEDY = Sampling()


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    prompt: int = 2048
    """Tokens of a prompt that is prefilled alone."""
    chunks: Sequence[int] = (192, 512, 2048)
    """Tokens of one call of ours."""
    past: int = 512
    """Tokens that a slot holds when it starts decoding."""
    rows: Sequence[int] = (1, 16, 64)
    """Slots that decode together."""
    steps: int = 48
    requests: int = 128
    """Of the whole engine."""


def measure(scratch: Path, device: str, shape: str, sizes: Sizes) -> Iterator[Row]:
    """All rates of one shape of random weights."""
    import torch

    started = time.perf_counter()
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    model = random_model(shape, device, dtype)
    weights = sum(parameter.numel() for parameter in model.parameters())
    made = time.perf_counter()
    precision = precisions_on(device)[-1]
    graphs = write_graphs(model, scratch / "graphs", (precision,))
    section = f"{shape} random weights ({weights / 1e9:.2f} B)"
    yield Row(f"{section}: seconds", "weights made", [made - started])
    yield Row(f"{section}: seconds", f"graph written, {precision}", [time.perf_counter() - made])
    yield from _of_transformers(model, section, sizes)
    bandwidth = _copy_bandwidth(device)
    del model
    if device == "cuda":
        torch.cuda.empty_cache()
    started = time.perf_counter()
    file = graphs.directory / precision.file
    runner = OnnxModelRunner.load(file, device=device, threads=None, slots=max(sizes.rows) + 1)
    yield Row(f"{section}: seconds", "graph opened", [time.perf_counter() - started])
    size = 2 if device == "cuda" else 4
    kv_bytes = _kv_bytes(graphs.directory) * size
    yield from _of_ours(runner, section, sizes, (weights * size, kv_bytes, bandwidth))
    del runner
    for limits in (EngineLimits.on("cpu"), EngineLimits.on(device)):
        rate = asyncio.run(_of_engine(graphs.directory, device, limits, sizes))
        yield Row(
            f"{section}: whole engine, {sizes.requests} requests of {sizes.past} + {sizes.steps}",
            f"{limits.generation_slots} slots, chunks of {limits.chunk_tokens}: new tokens/s",
            [rate],
        )


def _of_ours(
    runner: OnnxModelRunner, section: str, sizes: Sizes, traffic: tuple[int, int, float]
) -> Iterator[Row]:
    draw = np.random.default_rng(7)
    prompt = draw.integers(2, runner.vocabulary, sizes.prompt).tolist()
    for chunk in sizes.chunks:
        seconds = _median(lambda chunk=chunk: _prefill(runner, prompt, chunk))  # type: ignore[misc]
        yield Row(
            f"{section}: prefill tokens/s", f"ours, chunks of {chunk}", [len(prompt) / seconds]
        )
    for slot in range(max(sizes.rows)):
        _prefill(runner, draw.integers(2, runner.vocabulary, sizes.past).tolist(), 512, slot)
    weights, kv_bytes, bandwidth = traffic
    for rows in sizes.rows:
        samplers = [Sampler(_GREEDY) for _ in range(rows)]
        tokens = [2] * rows
        times: list[float] = []
        for step in range(sizes.steps):
            length = sizes.past + step
            decodes = [
                Decode(*each) for each in zip(tokens, [length] * rows, samplers, strict=True)
            ]
            started = time.perf_counter()
            _, tokens = runner.run(None, decodes)
            times.append(time.perf_counter() - started)
        seconds = float(np.median(times[4:]))
        yield Row(f"{section}: decode tokens/s", f"ours, {rows} slots", [rows / seconds])
        moved = weights + rows * kv_bytes * (sizes.past + sizes.steps / 2)
        yield Row(
            f"{section}: share of the measured bandwidth ({bandwidth / 1e9:,.0f} GB/s)",
            f"ours, {rows} slots",
            [moved / seconds / bandwidth],
        )
    copies = _median(lambda: runner.copy(0, 1, sizes.past))
    yield Row(f"{section}: other", f"ms to copy a slot of {sizes.past} tokens", [1000 * copies])


def _prefill(runner: OnnxModelRunner, prompt: list[int], chunk: int, slot: int = 0) -> None:
    for past in range(0, len(prompt), chunk):
        part = prompt[past : past + chunk]
        runner.run(Prefill(slot, part, past, past + chunk >= len(prompt)), [])


async def _of_engine(directory: Path, device: str, limits: EngineLimits, sizes: Sizes) -> float:
    draw = np.random.default_rng(11)
    engine = Engine.load(directory, device=device, limits=limits)
    vocabulary = 500

    async def generate(count: int) -> int:
        prompts = [draw.integers(2, vocabulary, sizes.past).tolist() for _ in range(count)]
        sampling = Sampling(max_tokens=sizes.steps, temperature=0.7, top_p=0.9)
        made = await asyncio.gather(*(engine.generate(prompt, sampling, ()) for prompt in prompts))
        return sum(len(one.ids) for one in made)

    try:
        await generate(min(32, sizes.requests))
        started = time.perf_counter()
        tokens = await generate(sizes.requests)
        return tokens / (time.perf_counter() - started)
    finally:
        engine.close()


def _of_transformers(model: Any, section: str, sizes: Sizes) -> Iterator[Row]:
    import torch

    def synchronised(call: Callable[[], Any]) -> Callable[[], None]:
        def timed() -> None:
            call()
            if model.device.type == "cuda":
                torch.cuda.synchronize()

        return timed

    ids = torch.randint(2, 500, (1, sizes.prompt), device=model.device)
    with torch.inference_mode():
        seconds = _median(synchronised(lambda: model(ids, logits_to_keep=1)))
        yield Row(f"{section}: prefill tokens/s", "transformers", [sizes.prompt / seconds])
        for rows in sizes.rows:
            ids = torch.randint(2, 500, (rows, sizes.past), device=model.device)
            out = model(ids, logits_to_keep=1, use_cache=True)
            state = {"cache": out.past_key_values, "ids": out.logits[:, -1:].argmax(-1)}

            def step(state: dict[str, Any] = state) -> None:
                out = model(state["ids"], past_key_values=state["cache"], use_cache=True)
                state["ids"] = out.logits[:, -1:].argmax(-1)

            seconds = _median(synchronised(step), max(4, sizes.steps // 2))
            yield Row(f"{section}: decode tokens/s", f"transformers, {rows} rows", [rows / seconds])


def _copy_bandwidth(device: str) -> float:
    """Bytes read and written a second, by a copy of half a GB (of 50 MB on a CPU)."""
    import torch

    source = torch.empty(2**29 if device == "cuda" else 5 * 10**7, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)

    def copy() -> None:
        target.copy_(source)
        if device == "cuda":
            torch.cuda.synchronize()

    return 2 * source.numel() / _median(copy, 10)


def _kv_bytes(directory: Path) -> int:
    """Numbers that one token has in all keys and values."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(directory)
    size = config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * config.num_key_value_heads * size)


def _median(call: Callable[[], Any], times: int = 5) -> float:
    """Seconds of a call, after one that is not counted."""
    call()
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))
