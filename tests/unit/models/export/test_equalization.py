"""Keys and values in 8 bits.

Equalizing their channels changes no result, and 8 bits change it little.
"""

import json
import os
from pathlib import Path

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")  # must precede torch

import numpy as np
import onnx
import pytest
import torch
from transformers import PreTrainedModel

from models.engine.model_runner import Decode, Prefill
from models.engine.onnx_runner import OnnxModelRunner
from models.engine.sampling import Logits, Sampler
from models.export.graph import AbsmaxRanges, build, equalize, measure
from models.precision import Precision
from models.sampling import Sampling
from tests.unit.models.export.test_graph import VARIANTS, make_model

PROMPTS = [list(range(60)), list(range(90, 20, -1)), [7, 3] * 40]
TEXT = [(7 * number * number) % 96 for number in range(50)]


def with_outliers(variant: str) -> PreTrainedModel:
    """A model in which some channels of keys and values are far larger than the others."""
    kind, changes = VARIANTS[variant]
    model = make_model(kind, **changes)
    with torch.no_grad():
        for layer in model.model.layers:
            attention = layer.self_attn
            if hasattr(attention, "k_norm"):
                attention.k_norm.weight[5] *= 30
            else:
                attention.k_proj.weight[5] *= 30
            attention.v_proj.weight[3] *= 30
    return model


def logits(model: PreTrainedModel) -> Logits:
    with torch.no_grad():
        return model(torch.tensor([TEXT])).logits[0].numpy()


@pytest.mark.parametrize("variant", VARIANTS)
def test_equalization_changes_no_result_and_equalizes(variant: str) -> None:
    model = with_outliers(variant)
    before = logits(model)
    kv_ranges = equalize(model, measure(model, PROMPTS))
    assert np.abs(logits(model) - before).max() < 1e-3 * np.abs(before).max()
    after = measure(model, PROMPTS)
    heads_share = hasattr(model.model.layers[0].self_attn, "k_norm")
    for number in range(len(model.model.layers)):
        keys = after.keys[number].amax(dim=0) if heads_share else after.keys[number]
        assert keys.numpy() == pytest.approx(
            kv_ranges.keys[number], rel=1e-3
        )  # all as large as the largest was
        assert after.values[number].numpy() == pytest.approx(kv_ranges.values[number], rel=1e-3)


def opened(
    model: PreTrainedModel, directory: Path, kv_ranges: AbsmaxRanges | None
) -> OnnxModelRunner:
    directory.mkdir()
    build(model, directory / Precision.INT8.file, Precision.INT8, kv_ranges=kv_ranges)
    (directory / "config.json").write_text(
        json.dumps({"max_position_embeddings": model.config.max_position_embeddings})
    )
    return OnnxModelRunner.load(directory / Precision.INT8.file, device="cpu", threads=1, slots=3)


class Recorder(Sampler):
    """Records the logits that it chooses from."""

    def __init__(self) -> None:
        super().__init__(Sampling())
        self.kept: list[Logits] = []

    def choose(self, logits: Logits) -> int:
        self.kept.append(logits)
        return super().choose(logits)


def results(session: OnnxModelRunner) -> list[Logits]:
    """Prefill in two chunks, the second beside a slot that decodes; then decode in both slots."""
    session.prefill(0, TEXT[:30], 0)
    session.run(Prefill(1, TEXT[:20], 0, ends=False), [])
    recorder = Recorder()
    read, _ = session.run(Prefill(1, TEXT[20:40], 20, ends=True), [Decode(TEXT[30], 30, recorder)])
    session.run(None, [Decode(TEXT[31], 31, recorder), Decode(TEXT[40], 40, recorder)])
    assert read is not None
    return [read, *recorder.kept]


@pytest.mark.parametrize("variant", VARIANTS)
def test_keys_and_values_in_8_bits_give_nearly_the_same_logits(
    variant: str, tmp_path: Path
) -> None:
    kind, changes = VARIANTS[variant]
    model = make_model(kind, **{"initializer_range": 0.1, **changes})
    kv_ranges = equalize(model, measure(model, PROMPTS))
    exact, rounded = (
        opened(model, tmp_path / "exact", None),
        opened(model, tmp_path / "rounded", kv_ranges),
    )
    for wanted, found in zip(results(exact), results(rounded), strict=True):
        assert np.corrcoef(wanted, found)[0, 1] > 0.998
    kept = {
        node.type.tensor_type.elem_type
        for node in onnx.load(tmp_path / "rounded" / Precision.INT8.file).graph.input
    }
    assert onnx.TensorProto.INT8 in kept
    assert onnx.TensorProto.FLOAT not in kept
