"""A shortlist gives the tokens that choosing from all logits gives.

On the CPU, with the graph of a GPU.
"""

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from models.engine import Engine, Precision
from models.engine.continuous import ContinuousBatching
from models.engine.device import open_session
from models.engine.kv_slots import KVSlots
from models.engine.onnx_runner import OnnxModelRunner
from models.engine.replica import Replica
from models.engine.sampling import Sampler, Shortlist
from models.engine.shortlist import SHORTLIST_FILE, Shortlister
from models.export.export import export
from models.export.graph.shortlist import build
from models.sampling import Sampling
from schemas.errors import EngineError
from tests.unit.checkpoints import make_checkpoint
from tests.unit.models.export.test_graph import make_model, prompts, write

_STEPS = 60
SAMPLINGS = {
    "greedy": Sampling(),
    "greedy, penalty": Sampling(repetition_penalty=1.3),
    "everything": Sampling(temperature=1.0, seed=1),
    "few": Sampling(temperature=0.7, top_k=40, seed=2),
    "nucleus": Sampling(temperature=0.7, top_p=0.9, repetition_penalty=1.2, seed=3),
    "a nucleus that is not on the list": Sampling(temperature=5.0, top_p=0.99, seed=4),
    "more than are on the list": Sampling(temperature=2.0, top_k=500, seed=5),
    "few, nucleus": Sampling(temperature=1.5, top_k=100, top_p=0.8, repetition_penalty=0.9, seed=6),
}


@pytest.fixture(scope="module")
def shortlister(tmp_path_factory: pytest.TempPathFactory) -> Shortlister:
    file = tmp_path_factory.mktemp("shortlist") / SHORTLIST_FILE
    build(file, half=False)
    return Shortlister.load(file, "cpu", None)


@pytest.mark.parametrize("vocabulary", [7, 256, 2000])
def test_the_tokens_are_those_of_all_the_logits(shortlister: Shortlister, vocabulary: int) -> None:
    draw = np.random.default_rng(vocabulary)
    listed, whole = ([*map(Sampler, SAMPLINGS.values())] for _ in range(2))
    for _ in range(_STEPS):
        logits = (3 * draw.standard_normal((len(SAMPLINGS) + 1, vocabulary))).astype(np.float32)
        chosen = shortlister.choose(
            onnxruntime.OrtValue.ortvalue_from_numpy(logits), [*listed, None]
        )
        assert chosen == [
            *(sampler.choose(row) for sampler, row in zip(whole, logits, strict=False)),
            0,
        ]


def test_most_choices_need_no_more_than_the_list(
    shortlister: Shortlister, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sampler, "choose", None)
    few = [
        Sampler(SAMPLINGS[name])
        for name in ("greedy", "greedy, penalty", "few", "nucleus", "few, nucleus")
    ]
    logits = (3 * np.random.default_rng(1).standard_normal((len(few), 2000))).astype(np.float32)
    for _ in range(_STEPS):
        shortlister.choose(onnxruntime.OrtValue.ortvalue_from_numpy(logits), few)


def test_half_precision_is_read(tmp_path: Path) -> None:
    build(tmp_path / SHORTLIST_FILE)
    shortlister = Shortlister.load(tmp_path / SHORTLIST_FILE, "cpu", None)
    logits = np.random.default_rng(2).standard_normal((3, 500)).astype(np.float16)
    chosen = shortlister.choose(
        onnxruntime.OrtValue.ortvalue_from_numpy(logits), [Sampler(Sampling()) for _ in logits]
    )
    assert chosen == logits.argmax(axis=1).tolist()


def test_nothing_is_drawn_where_the_token_may_not_be_on_the_list() -> None:
    sampling = Sampling(temperature=1.0, seed=9)
    sampler = Sampler(sampling)
    listed = Shortlist(np.array([3, 1]), np.array([2.0, 1.0], np.float32), 3.0, 10)
    assert sampler.choose_among(listed) is None
    logits = np.arange(10, dtype=np.float32)
    assert [sampler.choose(logits) for _ in range(20)] == [
        *map(Sampler(sampling).choose, [logits] * 20)
    ]
    assert Sampler(replace(sampling, top_k=2)).choose_among(listed) in (1, 3)
    assert Sampler(replace(sampling, top_k=3)).choose_among(listed) is None


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_logits_that_are_not_finite_raise(shortlister: Shortlister, wrong: float) -> None:
    logits = np.zeros((2, 300), np.float32)
    logits[1, 5] = wrong
    with pytest.raises(EngineError, match="not finite"):
        shortlister.choose(
            onnxruntime.OrtValue.ortvalue_from_numpy(logits),
            [Sampler(Sampling()), Sampler(Sampling())],
        )


async def test_an_engine_writes_the_same_with_it(shortlister: Shortlister, tmp_path: Path) -> None:
    file = write(make_model("qwen3"), tmp_path / "model") / "decoder.onnx"

    async def generated(chooser: Shortlister | None) -> list[tuple[int, ...]]:
        runner = OnnxModelRunner(open_session(file, "cpu", 1), "cpu", 256, 10, chooser)
        engine = Engine([Replica(ContinuousBatching(runner, KVSlots(8, 2), 32))])
        samplings = [replace(one, max_tokens=12) for one in SAMPLINGS.values()]
        asked = [
            engine.generate(prompt, samplings[number % len(samplings)], ())
            for number, prompt in enumerate(prompts(40))
        ]
        found = [generation.ids for generation in await asyncio.gather(*asked)]
        engine.close()
        return found

    assert await generated(shortlister) == await generated(None)


def test_an_export_beside_a_gpu_has_the_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.export.export.is_cuda_there", lambda: True)
    export(str(make_checkpoint(tmp_path / "checkpoint")), tmp_path / "release")
    assert (tmp_path / "release" / Precision.FP16.file).is_file()
    shortlister = Shortlister.load(tmp_path / "release" / SHORTLIST_FILE, "cpu", None)
    logits = np.array([[0, 2, 1]], np.float16)
    assert shortlister.choose(
        onnxruntime.OrtValue.ortvalue_from_numpy(logits), [Sampler(Sampling())]
    ) == [1]
