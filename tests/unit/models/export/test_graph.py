"""The engine's own graph.

It generates the greedy tokens of transformers for every supported architecture, whatever runs
beside them.
"""

import asyncio
import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")  # must precede torch

import numpy as np
import onnx
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from models.engine import Engine, EngineLimits
from models.engine.model_runner import Decode, Prefill
from models.engine.onnx_runner import OnnxModelRunner
from models.engine.sampling import Sampler
from models.export.graph import build
from models.sampling import Sampling
from schemas.errors import ModelError, UnsupportedArchitecture

VOCABULARY = 96
_LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "llama, untied, every head its own keys": (
        "llama",
        {"tie_word_embeddings": False, "num_key_value_heads": 4},
    ),
    "llama, biases, longer rotation": (
        "llama",
        {"attention_bias": True, "mlp_bias": True, "rope_scaling": _LLAMA3},
    ),
    "mistral": ("mistral", {"sliding_window": None}),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {"head_dim": 32}),
    "gemma, one head of keys": ("gemma", {"num_key_value_heads": 1, "head_dim": 16}),
}


def make_model(kind: str, **changes: Any) -> PreTrainedModel:
    torch.manual_seed(3)
    config: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "initializer_range": 0.3,  # wide, so that greedy choices are far apart
        "tie_word_embeddings": True,
        **changes,
    }
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **config)).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):  # zero when made
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def write(model: PreTrainedModel, directory: Path) -> Path:
    directory.mkdir()
    build(model, directory / "decoder.onnx")
    (directory / "config.json").write_text(
        json.dumps({"max_position_embeddings": model.config.max_position_embeddings})
    )
    return directory


MANY = {"llama", "qwen3"}
"""Variants that get 200 prompts; the others get 40."""


@pytest.fixture(scope="module", params=list(VARIANTS))
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def served(variant: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[PreTrainedModel, Path]:
    kind, changes = VARIANTS[variant]
    model = make_model(kind, **changes)
    return model, write(model, tmp_path_factory.mktemp("graph") / "model")


def prompts(count: int) -> list[list[int]]:
    """Prompts of mixed length; a third share a prefix with another."""
    draw = random.Random(1)
    found: list[list[int]] = []
    for number in range(count):
        start = found[draw.randrange(number)][:40] if number % 3 == 2 else []
        found.append(
            start + [draw.randrange(VOCABULARY) for _ in range(draw.choice((1, 3, 9, 30, 70, 150)))]
        )
    return found


def assert_greedy(model: PreTrainedModel, prompt: Sequence[int], ids: Sequence[int]) -> None:
    """Every token is the one that transformers finds most probable after those before it."""
    assert_all_greedy(model, [(prompt, ids)])


def assert_all_greedy(
    model: PreTrainedModel, answered: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> None:
    """The same for prompts and their answers, in batches of like length."""
    ordered = sorted(answered, key=lambda each: len(each[0]) + len(each[1]))
    for start in range(0, len(ordered), 20):
        batch = ordered[start : start + 20]
        for (prompt, ids), logits in zip(
            batch, all_logits(model, [[*prompt, *ids] for prompt, ids in batch]), strict=True
        ):
            asked = logits[len(prompt) - 1 : -1]
            best = asked.max(-1).values - asked[range(len(ids)), list(ids)]
            assert float(best.max()) < 1e-4, (
                f"token {int(best.argmax())} of {list(ids)} is not the most probable"
            )


def all_logits(model: PreTrainedModel, texts: Sequence[Sequence[int]]) -> list[torch.Tensor]:
    """[text, vocabulary] for each text, computed together.

    In a causal model, padding on the right changes nothing before it.
    """
    longest = max(map(len, texts))
    padded = torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts])
    with torch.no_grad():
        logits = model(padded).logits
    return [each[: len(text)] for each, text in zip(logits, texts, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [16, 256])
async def test_many_mixed_prompts_give_the_tokens_of_transformers(
    variant: str, served: tuple[PreTrainedModel, Path], chunk: int
) -> None:
    model, directory = served
    engine = Engine.load(
        directory,
        device="cpu",
        threads=2,
        limits=EngineLimits(chunk_tokens=chunk, generation_slots=12),
    )
    asked = prompts(200 if variant in MANY else 40)
    digits = (10, 11, 12, 13, 14)
    try:
        written = await asyncio.gather(
            *(
                engine.generate(prompt, Sampling(max_tokens=4 + number % 20), ())
                for number, prompt in enumerate(asked)
            ),
        )
        rated = await asyncio.gather(
            *(
                engine.rate([*prompt, *one.ids], digits)
                for prompt, one in zip(asked[:20], written[:20], strict=True)
            )
        )
        stats = engine.stats()
    finally:
        engine.close()
    assert [len(one.ids) for one in written] == [4 + number % 20 for number in range(len(asked))]
    answered = [(prompt, one.ids) for prompt, one in zip(asked, written, strict=True)]
    assert_all_greedy(model, answered)
    texts = [[*prompt, *ids] for prompt, ids in answered[:20]]
    for logits, rating in zip(all_logits(model, texts), rated, strict=True):
        expected = logits[-1].double()[list(digits)].softmax(-1)
        assert rating.probabilities == pytest.approx(expected.tolist(), abs=1e-4)
    assert stats.reused_tokens > 300


async def test_sampled_tokens_do_not_depend_on_what_runs_beside(tmp_path: Path) -> None:
    engine = Engine.load(write(make_model("qwen3"), tmp_path / "model"), device="cpu", threads=1)
    sampling = Sampling(0.8, 0.9, top_k=20, repetition_penalty=1.2, seed=11, max_tokens=20)
    try:
        alone = await engine.generate([1, 2, 3], sampling, ())
        crowd = [
            engine.generate(prompt, Sampling(1.0, seed=n, max_tokens=30), ())
            for n, prompt in enumerate(prompts(30))
        ]
        together, *_ = await asyncio.gather(engine.generate([1, 2, 3], sampling, ()), *crowd)
        again = await engine.generate([1, 2, 3], sampling, ())
    finally:
        engine.close()
    assert alone == together == again


async def test_a_kv_slot_that_outgrows_its_memory_goes_on(tmp_path: Path) -> None:
    model = make_model("llama", max_position_embeddings=4096)
    engine = Engine.load(write(model, tmp_path / "model"), device="cpu", threads=2)
    long = prompts(60)[-1] * 80
    try:
        short, longer = await asyncio.gather(
            engine.generate([5, 6], Sampling(max_tokens=40), ()),
            engine.generate(long[:2040], Sampling(max_tokens=16), ()),
        )
    finally:
        engine.close()
    assert_greedy(model, [5, 6], short.ids)
    assert_greedy(model, long[:2040], longer.ids)


@pytest.mark.parametrize(
    ("kind", "changes", "part"),
    [
        ("llama", {"hidden_size": 32}, "heads of 8 numbers"),
        (
            "llama",
            {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}},
            "rotary embedding of kind dynamic",
        ),
        ("mistral", {"sliding_window": 32}, "sliding window of 32"),
        ("gpt_neox", {}, "model type gpt_neox"),
    ],
)
def test_an_unsupported_architecture_is_named(
    tmp_path: Path, kind: str, changes: dict[str, Any], part: str
) -> None:
    with pytest.raises(UnsupportedArchitecture, match=part):
        build(make_model(kind, **changes), tmp_path / "decoder.onnx")
    assert not (tmp_path / "decoder.onnx").exists()


def test_a_prefill_beside_decoding_slots_is_as_if_alone(
    served: tuple[PreTrainedModel, Path],
) -> None:
    model, directory = served
    slots = OnnxModelRunner.load(directory / "decoder.onnx", device="cpu", threads=1, slots=4)
    longer, other, read = (
        [n * 7 % VOCABULARY for n in range(40)],
        [7, 8, 9],
        [n * 5 % VOCABULARY for n in range(30)],
    )
    slots.prefill(0, longer, 0)
    slots.prefill(1, other, 0)
    nothing, _ = slots.run(
        Prefill(3, read[:20], 0, ends=False), [Decode(5, len(longer), Sampler(Sampling()))]
    )
    assert nothing is None
    decoding = [
        Decode(6, len(longer) + 1, Sampler(Sampling())),
        Decode(9, len(other), Sampler(Sampling())),
    ]
    logits, chosen = slots.run(Prefill(3, read[20:], 20), decoding)
    with torch.no_grad():
        after = [
            model(torch.tensor([ids])).logits[0, -1].numpy()
            for ids in (read, [*longer, 5, 6], [*other, 9])
        ]
    assert logits is not None
    np.testing.assert_allclose(logits, after[0], atol=2e-3, rtol=1e-3)
    assert chosen == [int(each.argmax()) for each in after[1:]]


def test_a_graph_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    file = write(make_model("llama"), tmp_path / "model") / "decoder.onnx"
    earlier = onnx.load(file)
    graph = earlier.graph
    graph.node.remove(next(node for node in graph.node if "nats" in node.output))
    graph.output.remove(next(output for output in graph.output if output.name == "nats"))
    for node in graph.node:
        renamed = ["scored" if name == "targets" else name for name in node.input]
        del node.input[:]
        node.input.extend(renamed)
    next(node for node in graph.input if node.name == "targets").name = "scored"
    onnx.save(earlier, file)
    with pytest.raises(ModelError, match=r"decoder\.onnx was exported by an earlier version"):
        OnnxModelRunner.load(file, device="cpu", threads=1, slots=1)


def test_a_prompt_of_several_chunks_has_the_logits_of_one(tmp_path: Path) -> None:
    model = make_model("qwen3", max_position_embeddings=2048)
    slots = OnnxModelRunner.load(
        write(model, tmp_path / "model") / "decoder.onnx", device="cpu", threads=1, slots=1
    )
    tokens = [n * 11 % VOCABULARY for n in range(1100)]
    with torch.no_grad():
        expected = model(torch.tensor([tokens])).logits[0].numpy()
    every = slots.prefill_logits(0, tokens, 0)
    assert every.shape == expected.shape
    np.testing.assert_allclose(every, expected, atol=5e-3, rtol=1e-2)
    np.testing.assert_allclose(slots.prefill(0, tokens, 0), every[-1], atol=1e-3)
