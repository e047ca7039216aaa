"""The products of the int8 graph: their arithmetic, and what a row's result depends on."""

import json
import os
import tempfile
from pathlib import Path

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")  # must precede torch

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

from models.engine.device import open_session
from models.engine.model_runner import Decode, Prefill
from models.engine.onnx_runner import OnnxModelRunner
from models.engine.sampling import Logits, Sampler
from models.export.graph import build, equalize, measure, rotate
from models.export.graph.linear import Linear, Rows
from models.export.graph.nodes import Nodes
from models.export.graph.weights import Weights
from models.precision import Precision
from models.sampling import Sampling
from tests.unit.models.export.test_graph import VARIANTS, make_model

Matrix = NDArray[np.float32]
TEXT = [(7 * number * number) % 96 for number in range(60)]


def session(weight: Matrix, rows: Rows = Rows.PLAIN) -> onnxruntime.InferenceSession:
    """The int8 product of ``x`` with the transpose of a weight matrix."""
    nodes = Nodes(Precision.INT8)
    weights = Weights({"layer.weight": torch.from_numpy(weight)})
    product = Linear(nodes, weights).layer("layer", ["layer"], "x", rows)
    nodes.add("Identity", [product], ["y"])
    sizes = {"x": weight.shape[1], "y": weight.shape[0]}
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", size])
        for name, size in sizes.items()
    )
    graph = helper.make_graph(nodes.nodes, "product", [x], [y], [*nodes.initializers.values()])
    opsets = [helper.make_opsetid("", 24), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / Precision.INT8.file
        file.write_bytes(model.SerializeToString())
        return open_session(file, device="cpu", threads=1)


def reference(weight: Matrix, x: Matrix) -> Matrix:
    """The same in numpy: both sides as integers of at most 127, a scale a row of either."""
    scales = [np.abs(each).max(axis=1, keepdims=True) / 127 for each in (weight, x)]
    whole, rows = (
        np.rint(each / np.where(scale == 0, 1, scale)).astype(np.int64)
        for each, scale in zip((weight, x), scales, strict=True)
    )
    return ((rows @ whole.T) * scales[1] * scales[0].T).astype(np.float32)


def spread(matrix: Matrix, size: int) -> Matrix:
    """Every ``size`` numbers of a row times the normalized Hadamard matrix, by its definition."""
    signs = [[(-1) ** (row & column).bit_count() for column in range(size)] for row in range(size)]
    blocks = matrix.reshape(-1, size) @ (np.array(signs, np.float32) / np.sqrt(np.float32(size)))
    return blocks.reshape(matrix.shape)


def normal(rows: int, columns: int, seed: int) -> Matrix:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


def test_a_product_is_that_of_integers_with_a_scale_for_each_row() -> None:
    weight, x = normal(96, 64, 1), normal(40, 64, 2)
    weight[3] = 0
    x[5] = 0  # must not become infinite
    x[7] *= 1000  # an outlier in one row costs no other row its digits
    found = session(weight).run(None, {"x": x})[0]
    np.testing.assert_allclose(found, reference(weight, x), rtol=1e-5, atol=1e-5)
    assert not found[5].any()
    exact = x @ weight.T
    errors = np.abs(found - exact).max(axis=1) / np.abs(exact).max(axis=1).clip(1e-9)
    assert errors[x.any(axis=1)].max() < 0.03


def test_normed_rows_have_one_scale() -> None:
    weight, x = normal(96, 64, 1), normal(40, 64, 2)
    x[5] = 0
    x[7, 3] = 20  # clipped
    scales = np.abs(weight).max(axis=1) / 127, np.float32(4.5 / 127)
    whole = np.rint(weight / scales[0][:, None]), np.rint(x.clip(-4.5, 4.5) / scales[1])
    wanted = whole[1] @ whole[0].T * scales[0] * scales[1]
    found = session(weight, Rows.NORMED).run(None, {"x": x})[0]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-4)
    assert not found[5].any()


@pytest.mark.parametrize("rows", [Rows.NORMED, Rows.PLAIN])
def test_a_row_does_not_depend_on_the_others(rows: Rows) -> None:
    weight, x = normal(96, 64, 1), normal(40, 64, 2)
    x[7] *= 1000
    product = session(weight, rows)
    together = product.run(None, {"x": x})[0]
    for number in range(len(x)):
        alone = product.run(None, {"x": x[number : number + 1]})[0]
        np.testing.assert_array_equal(alone[0], together[number])


@pytest.mark.parametrize(("inputs", "size"), [(288, 32), (80, 16), (33, 1)])
def test_outliers_are_spread_before_a_product(inputs: int, size: int) -> None:
    weight, x = normal(96, inputs, 1), normal(40, inputs, 2)
    x[:, 20] *= 1000
    product = session(weight, Rows.OUTLIERS)
    found = product.run(None, {"x": x})[0]
    wide, flat = spread(x, size), spread(weight, size)
    np.testing.assert_allclose(wide @ flat.T, x @ weight.T, rtol=1e-3, atol=1e-2)
    one_more = np.abs(wide).max(axis=1, keepdims=True) / 127 * np.abs(flat).max()
    assert (np.abs(found - reference(flat, wide)) <= one_more).all()
    for number in (0, 7, 39):
        alone = product.run(None, {"x": x[number : number + 1]})[0]
        assert (np.abs(alone[0] - found[number]) <= one_more[number]).all()


def test_a_spread_outlier_costs_the_other_numbers_fewer_digits() -> None:
    weight, x = normal(96, 288, 1), normal(40, 288, 2)
    x[:, 200] *= 30
    errors = [
        np.abs(session(weight, rows).run(None, {"x": x})[0] - x @ weight.T).mean()
        for rows in (Rows.PLAIN, Rows.OUTLIERS)
    ]
    assert errors[1] < errors[0] / 2


class Recorder(Sampler):
    """Records the logits that it chooses from."""

    def __init__(self) -> None:
        super().__init__(Sampling())
        self.kept: list[Logits] = []

    def choose(self, logits: Logits) -> int:
        self.kept.append(logits)
        return super().choose(logits)


@pytest.mark.parametrize("variant", ["llama", "qwen3", "gemma, one head of keys"])
def test_a_decode_gives_the_same_logits_whatever_runs_beside_it(
    variant: str, tmp_path: Path
) -> None:
    kind, changes = VARIANTS[variant]
    model = make_model(kind, **{"initializer_range": 0.1, **changes})
    with torch.no_grad():
        model.model.embed_tokens.weight[50] *= 300  # what one scale for a call would be set by
    kv_ranges = equalize(model, measure(model, [TEXT]))
    rotate(model)
    build(model, tmp_path / Precision.INT8.file, Precision.INT8, kv_ranges=kv_ranges)
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 256}))
    runner = OnnxModelRunner.load(tmp_path / Precision.INT8.file, device="cpu", threads=1, slots=3)
    for slot in range(2):
        runner.prefill(slot, TEXT[:30], 0)
    alone, beside = Recorder(), Recorder()
    runner.run(None, [Decode(TEXT[30], 30, alone)])
    runner.run(
        Prefill(2, [50] * 20, 0, ends=True),
        [Decode(TEXT[30], 30, beside), Decode(50, 30, Sampler(Sampling()))],
    )
    np.testing.assert_allclose(beside.kept[0], alone.kept[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_rotation_changes_no_result_and_spreads_outliers(variant: str) -> None:
    kind, changes = VARIANTS[variant]
    model = make_model(kind, **changes)
    with torch.no_grad():
        model.model.embed_tokens.weight[:, 5] *= 100
        before = model(torch.tensor([TEXT])).logits
        rotate(model)
        after = model(torch.tensor([TEXT])).logits
        largest = model.model.embed_tokens.weight.abs().amax(dim=0)
    assert float((after - before).abs().max()) < 1e-3 * float(before.abs().max())
    assert float(largest.max() / largest.median()) < 10


def test_a_model_that_was_not_rotated_is_refused(tmp_path: Path) -> None:
    model = make_model("llama")
    with torch.no_grad():
        model.model.layers[1].post_attention_layernorm.weight[3] = 2
    with pytest.raises(ValueError, match="rotate a model"):
        build(model, tmp_path / Precision.INT8.file, Precision.INT8)
