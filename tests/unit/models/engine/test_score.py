"""Scores: the negative log-probabilities that transformers gives, whatever runs beside them."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedModel

from models.engine import Engine, EngineLimits
from models.engine.model_runner import Decode, Prefill
from models.engine.onnx_runner import OnnxModelRunner
from models.engine.sampling import Sampler
from models.engine.static.batching import StaticBatching
from models.prompts.layout import Prompter
from models.releases.checkpoints import HOUSE_CHECKPOINT
from models.sampling import Sampling
from models.seeds import read_seeds
from schemas.errors import EngineError, PromptTooLong
from tests.unit.engine_model import VOCABULARY as TINY_VOCABULARY
from tests.unit.engine_model import CuedRunner, TinyModel, engine_of, open_tiny
from tests.unit.models.export.test_graph import (
    VARIANTS,
    VOCABULARY,
    all_logits,
    assert_all_greedy,
    make_model,
    prompts,
    write,
)

Asked = tuple[list[int], list[int]]
"""A prompt and a target."""


def targets(asked: Sequence[list[int]], vocabulary: int = VOCABULARY) -> list[Asked]:
    """The prompts, each with a random target."""
    draw = random.Random(2)
    return [
        (prompt, [draw.randrange(vocabulary) for _ in range(draw.choice((1, 2, 20, 60)))])
        for prompt in asked
    ]


def expected_nats(model: PreTrainedModel, asked: Sequence[Asked]) -> list[list[float]]:
    """What transformers computes, in fp32 with sums in fp64."""
    every = all_logits(model, [[*prompt, *target] for prompt, target in asked])
    return [
        (-logits[len(prompt) - 1 : -1].double().log_softmax(-1))[
            range(len(target)), target
        ].tolist()
        for (prompt, target), logits in zip(asked, every, strict=True)
    ]


@pytest.fixture(scope="module", params=["llama", "qwen2", "gemma, one head of keys"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PreTrainedModel, Path]:
    kind, changes = VARIANTS[request.param]
    model = make_model(kind, **changes)
    return model, write(model, tmp_path_factory.mktemp("score") / "model")


@pytest.mark.parametrize("chunk", [16, 256])
async def test_scores_beside_generations_are_those_of_transformers(
    served: tuple[PreTrainedModel, Path], chunk: int
) -> None:
    model, directory = served
    engine = Engine.load(
        directory, device="cpu", threads=2, limits=EngineLimits(chunk_tokens=chunk)
    )
    texts = prompts(30)
    asked = targets(texts)
    try:
        scored, written = await asyncio.gather(
            asyncio.gather(*(engine.score(*each) for each in asked)),
            asyncio.gather(*(engine.generate(text, Sampling(max_tokens=8), ()) for text in texts)),
        )
    finally:
        engine.close()
    for nats, expected in zip(scored, expected_nats(model, asked), strict=True):
        assert nats == pytest.approx(expected, abs=1e-3)
    assert_all_greedy(model, [(text, one.ids) for text, one in zip(texts, written, strict=True)])


async def test_the_plain_graph_scores_as_transformers(tiny_model: TinyModel) -> None:
    asked = targets([text[:30] for text in prompts(20)], TINY_VOCABULARY)
    asked = [([id % TINY_VOCABULARY for id in prompt], target) for prompt, target in asked]
    engine = Engine.load(tiny_model.directory, device="cpu", threads=1)
    try:
        scored, _ = await asyncio.gather(
            asyncio.gather(*(engine.score(*each) for each in asked)),
            asyncio.gather(*(engine.rate(prompt, (1, 2, 3, 4, 5)) for prompt, _ in asked)),
        )
    finally:
        engine.close()
    for nats, each in zip(scored, asked, strict=True):
        assert nats == pytest.approx(tiny_model.nats(*each), abs=1e-3)


_TEXT = [n * 11 % VOCABULARY for n in range(90)]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> OnnxModelRunner:
    directory = write(make_model("qwen3"), tmp_path_factory.mktemp("chunks") / "model")
    runner = OnnxModelRunner.load(directory / "decoder.onnx", device="cpu", threads=1, slots=2)
    runner.prefill(0, [5, 6, 7, 8], 0)
    return runner


@pytest.fixture(scope="module")
def in_one_call(runner: OnnxModelRunner) -> list[float]:
    """Nats of every token after the first."""
    nats, _ = runner.run(Prefill(1, _TEXT[:-1], 0, targets=_TEXT[1:]), [])
    assert nats is not None
    return list(nats)


@given(
    first=st.integers(1, len(_TEXT) - 1),
    cuts=st.sets(st.integers(1, len(_TEXT) - 2), max_size=6),
    decodes=st.booleans(),
)
def test_chunks_of_any_size_give_the_scores_of_one_call(
    runner: OnnxModelRunner, in_one_call: list[float], first: int, cuts: set[int], decodes: bool
) -> None:
    decode = Decode(9, 4, Sampler(Sampling()))
    _, alone = runner.run(None, [decode])
    ends = [*sorted(cuts), len(_TEXT) - 1]
    found: list[float] = []
    for start, end in zip([0, *ends], ends, strict=False):
        asked = _TEXT[max(first, start + 1) : end + 1]
        prefill = Prefill(1, _TEXT[start:end], start, end == ends[-1], asked)
        nats, chosen = runner.run(prefill, [decode] * decodes)
        found += [] if nats is None else nats.tolist()
        assert chosen == alone * decodes
    assert found == pytest.approx(in_one_call[first - 1 :], abs=1e-4)


@pytest.fixture
def engine(tiny_model: TinyModel) -> Iterator[Engine]:
    engine = Engine.load(tiny_model.directory, device="cpu", threads=1)
    yield engine
    engine.close()


async def test_what_does_not_fit_and_what_is_empty_is_refused(engine: Engine) -> None:
    with pytest.raises(PromptTooLong, match=r"90 tokens and a target of 7 .* 96"):
        await engine.score([1] * 90, [2] * 7)
    assert len(await engine.score([1] * 90, [2] * 6)) == 6
    calls = engine.stats().calls
    for prompt, target, name in (
        ([], [1], "prompt is empty"),
        ([1], [], "target is empty"),
        ([TINY_VOCABULARY], [1], "prompt has an id"),
        ([1], [-1], "target has an id"),
    ):
        with pytest.raises(ValueError, match=name):
            await engine.score(prompt, target)
    assert engine.stats().calls == calls


async def test_what_targets_of_one_prompt_share_is_computed_once(tmp_path: Path) -> None:
    engine = Engine.load(write(make_model("llama"), tmp_path / "model"), device="cpu", threads=1)
    prompt = [n * 7 % VOCABULARY for n in range(100)]
    asked = [(prompt, [number] * 10) for number in range(5)]
    try:
        scored = await asyncio.gather(*(engine.score(*each) for each in asked))
        stats = engine.stats()
    finally:
        engine.close()
    # The prompt's last token is computed for each target; a target's last token never.
    assert stats.prefill_tokens == 99 + 5 * (1 + 9)
    assert stats.reused_tokens == 4 * 99
    assert all(np.isfinite(nats).all() and len(nats) == 10 for nats in scored)


async def test_a_fault_fails_the_scores_of_its_batch_and_no_other(tiny_model: TinyModel) -> None:
    runner = CuedRunner(open_tiny(tiny_model), failures=[EngineError("out of memory")])
    engine = engine_of(StaticBatching(runner))
    try:
        with pytest.raises(EngineError, match="out of memory"):
            await engine.score([1, 2], [3])
        runner.gate.clear()
        running = asyncio.create_task(engine.score([1, 2], [3, 4]))
        await asyncio.to_thread(runner.called.acquire)
        cancelled = asyncio.create_task(engine.score([5], [6]))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.sleep(0)
        runner.gate.set()
        assert await running == pytest.approx(tiny_model.nats([1, 2], [3, 4]), abs=1e-3)
        await engine.score([7], [8])
    finally:
        engine.close()
    assert runner.calls == [("score", 1)] * 3


async def test_the_house_model_scores_as_transformers_and_int8_is_near(house: Path) -> None:
    from transformers import AutoModelForCausalLM

    seed = read_seeds()[0]
    prompter = Prompter.load(house)
    asked = [
        (prompter.backward(seed.response), prompter.target(seed.instruction)),
        (prompter.target(seed.instruction), prompter.target(seed.response)[:200]),
    ]
    found: dict[str, list[float]] = {}
    for precision in ("fp32", "int8"):
        engine = Engine.load(house, device="cpu", threads=1, precision=precision)
        try:
            scored = await asyncio.gather(*(engine.score(*each) for each in asked))
        finally:
            engine.close()
        found[precision] = [nats for one in scored for nats in one]
    model = AutoModelForCausalLM.from_pretrained(HOUSE_CHECKPOINT).eval()
    expected = [nats for one in expected_nats(model, asked) for nats in one]
    assert found["fp32"] == pytest.approx(expected, abs=1e-3)
    assert abs(np.mean(found["int8"]) - np.mean(expected)) < 0.05
