"""Runs one engine on a workload: ``python bench/contestants.py NAME MODEL WORK THREADS``.

MODEL is a checkpoint directory, WORK a file by ``bench/workload.py``. The process prints ``ready``
when its model is loaded. For every line on its standard input it runs the whole workload and prints
the seconds. The line ``again`` repeats the prompts of the line before, which prefix caches then
have; any other line gets prompts that no cache has. This file imports the project only for its own
engine, because some peers are installed in another environment.

Engines with a scheduler get what a stream gives: a number of passages in flight, each rated as soon
as its instruction is generated. transformers and optimum have no scheduler. They get batches of
similar length, all instructions first.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")  # must precede torch
os.environ.setdefault("HF_HUB_OFFLINE", "1")

AGAIN = "again"
READY = "ready"
REMARK = "remark: "
"""Begins a line on standard error that is shown with the results."""
IN_FLIGHT = 64
_ROWS = 16
_BUDGET = 256
"""Tokens that a peer's scheduler may compute in one step."""


@dataclass(frozen=True)
class Passage:
    """Work for an engine: generate ``tokens`` tokens, then compute the logits after ``rating``."""

    prompt: list[int]
    tokens: int
    rating: list[int]


RunWork = Callable[[Sequence[Passage]], None]
"""Runs a workload."""
Contestant = Callable[[Path, int], RunWork]
"""Loads a model, to compute with a number of threads."""


def read_work(file: Path) -> list[Passage]:
    """Read a workload that ``bench/workload.py`` wrote."""
    return [Passage(**row) for row in json.loads(file.read_text(encoding="utf-8"))]


def backstream(precision: str) -> Contestant:
    """The project's engine, on its own graph."""

    def load(model: Path, threads: int) -> RunWork:
        from models.engine import Engine

        engine = Engine.load(
            model / "backstream", device="cpu", threads=threads, precision=precision
        )
        digits = json.loads((model / "digits.json").read_text())

        return lambda work: asyncio.run(write_and_rate(engine, work, digits, IN_FLIGHT))

    return load


async def write_and_rate(
    engine: Any, work: Sequence[Passage], digits: Sequence[int], in_flight: int
) -> None:
    """Run a workload through the project's engine, with ``in_flight`` passages at a time."""
    from models.sampling import Sampling

    places = asyncio.Semaphore(in_flight)

    async def one(passage: Passage) -> None:
        async with places:
            await engine.generate(passage.prompt, Sampling(max_tokens=passage.tokens), ())
            await engine.rate(passage.rating, digits)

    await asyncio.gather(*map(one, work))


def transformers(model: Path, threads: int) -> RunWork:
    """The ``generate`` of transformers, in fp32."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(threads)
    return _in_batches(AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval())


def optimum(model: Path, threads: int) -> RunWork:
    """The ORTModelForCausalLM of optimum, in fp32."""
    import onnxruntime
    from optimum.onnxruntime import ORTModelForCausalLM

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return _in_batches(
        ORTModelForCausalLM.from_pretrained(model, export=True, session_options=options)
    )


def openvino(model: Path, threads: int) -> RunWork:
    """OpenVINO GenAI's continuous batching, int8 weights, its prefix cache on."""
    import numpy as np
    import openvino as ov
    import openvino_genai as genai
    from optimum.intel import OVModelForCausalLM, OVWeightQuantizationConfig

    converted = tempfile.mkdtemp()
    quantized = OVWeightQuantizationConfig(bits=8)
    OVModelForCausalLM.from_pretrained(
        model, export=True, quantization_config=quantized
    ).save_pretrained(converted)
    settings = genai.SchedulerConfig()
    settings.max_num_batched_tokens = _BUDGET
    settings.max_num_seqs = _ROWS
    settings.dynamic_split_fuse = True
    settings.enable_prefix_caching = True
    settings.cache_size = 2  # GB: room for every passage
    pipeline = genai.ContinuousBatchingPipeline(
        converted, settings, "CPU", {"INFERENCE_NUM_THREADS": threads}
    )

    def add(number: int, ids: Sequence[int], tokens: int) -> Any:
        config = genai.GenerationConfig(
            max_new_tokens=tokens, min_new_tokens=tokens, ignore_eos=True
        )
        return pipeline.add_request(number, ov.Tensor(np.array([ids], np.int64)), config)

    def step() -> None:
        pipeline.step()

    return lambda work: _feed(
        work, add, step, lambda handle: handle.get_status() != genai.GenerationStatus.RUNNING
    )


def llama_cpp(model: Path, threads: int) -> RunWork:
    """llama.cpp with weights in Q8_0, in batches that are composed as its server does."""
    from bench.gguf_file import write_q8
    from bench.llama_batches import Batches, instructions

    print(f"{REMARK}is built for {instructions()}", file=sys.stderr, flush=True)
    file = Path(tempfile.mkdtemp(), "model.gguf")
    write_q8(model, file)
    batches = Batches(file, threads, rows=_ROWS, budget=_BUDGET)
    return lambda work: _feed(work, batches.add, batches.step, lambda request: request.ended)


CONTESTANTS: dict[str, Contestant] = {
    "backstream fp32": backstream("fp32"),
    "backstream int8": backstream("int8"),
    "transformers fp32": transformers,
    "optimum fp32": optimum,
    "OpenVINO GenAI int8": openvino,
    "llama.cpp Q8_0": llama_cpp,
}


def _feed(
    work: Sequence[Passage],
    add: Callable[[int, Sequence[int], int], Any],
    step: Callable[[], None],
    ended: Callable[[Any], bool],
) -> None:
    """Keep IN_FLIGHT passages in flight: each generates, then rates. A rating is one new token."""
    waiting = iter(work)
    running: dict[Any, Passage | None] = {}
    numbers = iter(range(10**9))
    while True:
        while len(running) < IN_FLIGHT and (passage := next(waiting, None)) is not None:
            running[add(next(numbers), passage.prompt, passage.tokens)] = passage
        if not running:
            return
        step()
        for handle in [handle for handle in running if ended(handle)]:
            if (passage := running.pop(handle)) is not None:
                running[add(next(numbers), passage.rating, 1)] = None


def _in_batches(model: Any) -> RunWork:
    """Run workloads through ``generate`` and plain calls.

    Batches have the size that was fastest on a part of the first workload.
    """
    import torch

    def left_padded(prompts: Sequence[Sequence[int]]) -> Any:
        longest = max(map(len, prompts))
        ids = torch.tensor([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
        mask = torch.tensor(
            [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        )
        return ids, mask

    fastest: list[int] = []

    def run_in(rows: int, part: Sequence[Passage]) -> None:
        with torch.inference_mode():
            for batch in _batches(
                part, rows, lambda passage: len(passage.prompt) + 20 * passage.tokens
            ):
                ids, mask = left_padded([passage.prompt for passage in batch])
                most = max(passage.tokens for passage in batch)
                model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    do_sample=False,
                    max_new_tokens=most,
                    min_new_tokens=most,
                    pad_token_id=0,
                )
            for batch in _batches(part, rows, lambda passage: len(passage.rating)):
                ids, mask = left_padded([passage.rating for passage in batch])
                model(
                    input_ids=ids,
                    attention_mask=mask,
                    position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
                )

    def run_work(work: Sequence[Passage]) -> None:
        if not fastest:
            few = work[:: max(1, len(work) // 16)]
            seconds = {}
            for rows in (1, 4, 16):
                started = time.perf_counter()
                run_in(rows, few)
                seconds[rows] = time.perf_counter() - started
            fastest.append(min(seconds, key=lambda rows: seconds[rows]))
            print(f"batches of {fastest[0]}", file=sys.stderr, flush=True)
        run_in(fastest[0], work)

    return run_work


def _batches(
    work: Sequence[Passage], rows: int, length: Callable[[Passage], int]
) -> Iterator[list[Passage]]:
    ordered = sorted(work, key=length)
    for start in range(0, len(ordered), rows):
        yield ordered[start : start + rows]


def fresh(work: Sequence[Passage], number: int) -> list[Passage]:
    """A workload with another token near the start of each prompt.

    No engine then has it in its prefix cache from an earlier round. A rating prompt still begins as
    its backward prompt does.
    """
    mark = [100 + number]
    return [
        Passage(p.prompt[:1] + mark + p.prompt[1:], p.tokens, p.rating[:1] + mark + p.rating[1:])
        for p in work
    ]


def main() -> None:
    """Run one engine; see the docstring of the module."""
    name, model, file, threads = sys.argv[1:]
    out = os.fdopen(os.dup(1), "w")  # the libraries print on the other
    os.dup2(2, 1)
    work = read_work(Path(file))
    run_work = CONTESTANTS[name](Path(model), int(threads))
    run_work(fresh(work[: len(work) // 2], 0))  # warm up
    print(READY, file=out, flush=True)
    own = work
    for number, line in enumerate(sys.stdin, start=1):
        if line.strip() != AGAIN:
            own = fresh(work, number)
        started = time.perf_counter()
        run_work(own)
        print(time.perf_counter() - started, file=out, flush=True)


if __name__ == "__main__":
    main()
