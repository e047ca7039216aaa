"""The memory of KV slots: growth keeps what the slots hold."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.engine.kv_memory import KVLayout, KVMemory
from models.engine.model_runner import Decode
from models.engine.onnx_runner import OnnxModelRunner
from models.engine.sampling import Sampler
from models.sampling import Sampling
from tests.unit.models.export.test_graph import make_model, write


def test_a_placement_is_a_view_of_the_slots_it_names() -> None:
    memory = KVMemory(KVLayout(["key", "value"], 2, 4, np.float32), 3, "cpu", 10)
    ((name, whole), _) = memory.placements(0, 3)
    ((_, second), _) = memory.placements(1, 2)
    assert name == "key"
    assert whole[:4] == ("cpu", 0, np.float32, (3, 2, 10, 4))
    assert second[3] == (1, 2, 10, 4)
    assert second[4] - whole[4] == 2 * 10 * 4 * 4


def test_growth_stops_at_the_most_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.engine.kv_memory._FIRST_CAPACITY", 4)
    memory = KVMemory(KVLayout(["key"], 1, 2, np.float32), 2, "cpu", 10)

    def capacity() -> int:
        return memory.placements(0, 1)[0][1][3][2]

    assert capacity() == 4
    assert not memory.reserve([0, 1], [4, 2])
    assert memory.reserve([0], [5])
    assert capacity() == 8
    assert memory.reserve([0], [9])
    assert capacity() == 10


def test_a_sequence_that_outgrows_the_memory_continues_as_if_it_had_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(make_model("llama"), tmp_path / "model") / "decoder.onnx"

    def decoded() -> list[NDArray[np.float32]]:
        runner = OnnxModelRunner.load(file, device="cpu", threads=1, slots=3)
        logits = [runner.prefill(0, list(range(1, 7)), 0), runner.prefill(2, [9, 8, 7], 0)]
        runner.copy(2, 1, 3)
        samplers = [Sampler(Sampling()), Sampler(Sampling())]
        tokens = [1, 2]
        for step in range(12):
            lengths = (6 + step, 3 + step)
            decodes = [Decode(*each) for each in zip(tokens, lengths, samplers, strict=True)]
            _, tokens = runner.run(None, decodes)
        return [*logits, runner.prefill(0, [5], 18), runner.prefill(1, [5], 15)]

    expected = decoded()
    monkeypatch.setattr("models.engine.kv_memory._FIRST_CAPACITY", 4)
    for one, other in zip(decoded(), expected, strict=True):
        np.testing.assert_array_equal(one, other)
