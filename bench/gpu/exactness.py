"""Whether our graphs compute on a device what transformers computes there.

Greedy tokens come from the whole engine, with every prompt in flight. transformers then computes
the logits of the same tokens in one pass. A token counts as equal if it has the highest logit.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.gpu.subjects import Graphs, copy_tokenizer, precisions_on, random_model, write_graphs
from bench.report import Row
from models.engine import Engine
from models.engine.onnx_runner import OnnxModelRunner
from models.precision import Precision
from models.prompts.layout import Prompter
from models.releases.checkpoints import HOUSE_CHECKPOINT
from models.sampling import Sampling
from models.seeds import read_seeds

_SHARES = {Precision.FP32: 1.0, Precision.FP16: 0.98}
"""Least shares of greedy tokens that are those of transformers in the same precision."""
_NATS = {Precision.FP32: 1e-3, Precision.FP16: 2e-2}
"""Most by which the log-probability of a prompt's token may differ from transformers' in fp32."""


@dataclass(frozen=True, slots=True)
class Work:
    """Prompts, and how many tokens are generated after each."""

    prompts: Sequence[Sequence[int]]
    new: int


def measure(scratch: Path, device: str, checkpoints: Sequence[Path], count: int) -> Iterator[Row]:
    """Compare the house model, a random Qwen2 with biases, and any ``checkpoints``."""
    import torch
    from transformers import AutoModelForCausalLM

    for checkpoint in (HOUSE_CHECKPOINT, *checkpoints):
        model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
        name = "house model" if checkpoint == HOUSE_CHECKPOINT else checkpoint.name
        prompter = Prompter.load(checkpoint)
        seeds = list(read_seeds())[:count]
        prompts = [prompter.backward(seed.response) for seed in seeds]
        fitting = [prompt for prompt in prompts if len(prompt) < 1024]
        graphs = write_graphs(model, scratch / name, precisions_on(device))
        copy_tokenizer(checkpoint, graphs.directory)
        yield from compare(name, model.to(device).eval(), graphs, Work(fitting, 48), device)
    model = random_model("tiny", device, torch.float32, initializer_range=0.3)
    for parameter_name, parameter in model.named_parameters():
        if parameter_name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    draw = np.random.default_rng(1)
    # One sequence outgrows the first capacity of the KV slots while it decodes.
    lengths = [2030, *draw.integers(1, 300, count - 1)]
    work = Work([draw.integers(0, 512, length).tolist() for length in lengths], 48)
    graphs = write_graphs(model, scratch / "random", precisions_on(device))
    yield from compare("random Qwen2", model, graphs, work, device)


def compare(name: str, model: Any, graphs: Graphs, work: Work, device: str) -> Iterator[Row]:
    """Tokens and log-probabilities in every precision that the graphs have.

    On a GPU the engine decodes in fp16 only; the fp32 graph is compared in what it prefills.
    """
    section = f"Exactness: {name}, {len(work.prompts)} prompts"
    for precision in graphs.precisions:
        runner = OnnxModelRunner.load(
            graphs.directory / precision.file, device=device, threads=None, slots=1
        )
        yield Row(
            section,
            f"{precision}: largest difference of a prompt's mean log-probability (nats)",
            [_nats_apart(runner, model, work.prompts)],
            at_most=_NATS[precision],
        )
        equal = _predictions_equal(runner, model, work.prompts)
        yield Row(
            section,
            f"{precision}: share of {len(equal):,} most probable next tokens equal to fp32's",
            [float(np.mean(equal))],
            at_least=_SHARES[precision],
        )
    del runner
    answers = asyncio.run(_greedy(graphs.directory, work, device))
    precision = graphs.precisions[-1]
    yield Row(
        section,
        f"{precision}: largest difference of a mean of Engine.score (nats)",
        [asyncio.run(_scores_apart(graphs.directory, model, work, device))],
        at_most=_NATS[precision],
    )
    for reference in graphs.precisions:
        # The last, because it rounds the weights.
        compared = model.half() if reference is Precision.FP16 else model
        equal, lost = _agreement(compared, work.prompts, answers)
        yield Row(
            section,
            f"{precision}: share of {len(equal):,} greedy tokens as of transformers in {reference}",
            [float(np.mean(equal))],
            at_least=_SHARES[precision],
        )
        yield Row(section, f"{precision}: largest logit lost to {reference}", [max(lost)])


async def _greedy(directory: Path, work: Work, device: str) -> list[tuple[int, ...]]:
    engine = Engine.load(directory, device=device)
    try:
        sampling = Sampling(max_tokens=work.new)
        made = await asyncio.gather(
            *(engine.generate(prompt, sampling, ()) for prompt in work.prompts)
        )
        return [one.ids for one in made]
    finally:
        engine.close()


def _agreement(
    model: Any, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
) -> tuple[list[bool], list[float]]:
    """For each generated token, whether its logit is the highest, and how far it is below that."""
    equal: list[bool] = []
    lost: list[float] = []
    for prompt, answer in zip(prompts, answers, strict=True):
        logits = _logits(model, [*prompt, *answer])[len(prompt) - 1 : -1]
        chosen = logits[np.arange(len(answer)), list(answer)]
        below = logits.max(axis=1) - chosen
        equal += (below == 0).tolist()
        lost += below.tolist()
    return equal, lost


def _nats_apart(runner: OnnxModelRunner, model: Any, prompts: Sequence[Sequence[int]]) -> float:
    """Largest difference of the mean log-probability of a prompt's tokens."""

    def mean(logits: Any, prompt: Sequence[int]) -> float:
        return float(np.mean(_log_probabilities(logits[:-1], prompt[1:])))

    return max(
        abs(
            mean(runner.prefill_logits(0, prompt, 0), prompt) - mean(_logits(model, prompt), prompt)
        )
        for prompt in prompts
        if len(prompt) > 1
    )


def _predictions_equal(
    runner: OnnxModelRunner, model: Any, prompts: Sequence[Sequence[int]]
) -> list[bool]:
    """For each token of the prompts, whether the same one is the most probable to follow."""
    equal: list[bool] = []
    for prompt in prompts:
        ours = runner.prefill_logits(0, prompt, 0).argmax(axis=1)
        equal += (ours == _logits(model, prompt).argmax(axis=1)).tolist()
    return equal


async def _scores_apart(directory: Path, model: Any, work: Work, device: str) -> float:
    """Largest difference of the mean score of the second half of each prompt."""
    engine = Engine.load(directory, device=device)
    halves = [(prompt[: len(prompt) // 2], prompt[len(prompt) // 2 :]) for prompt in work.prompts]
    halves = [(head, tail) for head, tail in halves if head and tail]
    try:
        scored = await asyncio.gather(*(engine.score(head, tail) for head, tail in halves))
    finally:
        engine.close()
    apart = []
    for (head, tail), nats in zip(halves, scored, strict=True):
        logits = _logits(model, [*head, *tail])[len(head) - 1 : -1]
        apart.append(abs(float(np.mean(nats)) + float(np.mean(_log_probabilities(logits, tail)))))
    return max(apart)


def _logits(model: Any, ids: Sequence[int]) -> Any:
    """float32 [tokens, vocabulary], as a numpy array."""
    import torch

    with torch.inference_mode():
        return model(torch.tensor([ids], device=model.device)).logits[0].float().cpu().numpy()


def _log_probabilities(logits: Any, ids: Sequence[int]) -> Any:
    logits = logits.astype(np.float64)
    highest = logits.max(axis=1)
    sums = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))
    return logits[np.arange(len(ids)), list(ids)] - sums
