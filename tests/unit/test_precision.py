"""Int8 beside fp32: what is compared, who is chosen, and who is served."""

import asyncio
import json
from pathlib import Path

import onnx
import pytest

from models.engine import COMPARISON, Engine, Precision, chosen_precision
from models.engine.precision import served_precision
from models.export import export
from models.facts import ModelFacts
from models.graph import build
from models.precision import Comparison
from models.release import Origin, reproduce, verify, write_manifest
from schemas.errors import ModelError
from tests.unit.checkpoints import make_checkpoint
from tests.unit.test_graph import make_model


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The house model as it is exported."""
    directory = tmp_path_factory.mktemp("house") / "release"
    export("house", directory)
    asyncio.run(write_manifest(directory, Origin(id="house-1", base="house-1")))
    return directory


@pytest.mark.parametrize(
    ("nll", "shift", "same", "chosen"),
    [
        (3.01, 0.05, 0.97, Precision.INT8),
        (3.05, 0.05, 0.97, Precision.FP32),
        (3.01, 0.20, 0.97, Precision.FP32),
        (3.01, 0.05, 0.80, Precision.FP32),
        (float("nan"), 0.05, 0.97, Precision.FP32),
    ],
)
def test_int8_is_chosen_where_quality_holds(nll: float, shift: float, same: float, chosen: Precision) -> None:
    assert Comparison.choice(3.0, nll, shift, same) is chosen


@pytest.mark.slow
def test_the_house_model_is_served_in_int8(house: Path) -> None:
    found = json.loads((house / COMPARISON).read_text())
    assert found["pairs"] == 40
    assert found["rating_agreement"] > 0.9
    assert found["chosen"] == "int8"
    assert ModelFacts.read(house).precision == "int8"
    assert (house / "decoder.int8.onnx").stat().st_size < 0.5 * (house / "decoder.onnx").stat().st_size
    assert COMPARISON in verify(house).files


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["auto", "int8", "fp32"])
async def test_each_precision_reproduces_the_golden_answers(house: Path, precision: str) -> None:
    from models.prompts import Prompter

    engine = Engine.load(house, device="cpu", threads=2, precision=precision)
    try:
        assert engine.precision == ("int8" if precision == "auto" else precision)
        await reproduce(house, engine, Prompter.load(house))
    finally:
        engine.close()


@pytest.mark.slow
def test_a_model_that_int8_changes_is_served_in_fp32(tmp_path: Path) -> None:
    release = tmp_path / "release"
    export(str(make_checkpoint(tmp_path / "checkpoint", context=2048)), release)  # random weights: ties everywhere
    assert chosen_precision(release) is Precision.FP32
    assert not (release / "decoder.int8.onnx").exists()
    with pytest.raises(ModelError, match=r"no decoder.int8.onnx: it cannot be served in int8"):
        Engine.load(release, device="cpu", precision="int8")


def test_a_gpu_is_given_half_where_it_was_written(tmp_path: Path) -> None:
    assert served_precision(tmp_path, "auto", on_cuda=True) is Precision.FP32
    build(make_model("qwen3"), tmp_path / "decoder.fp16.onnx", Precision.FP16)
    assert served_precision(tmp_path, "auto", on_cuda=True) is Precision.FP16
    assert served_precision(tmp_path, "fp32", on_cuda=True) is Precision.FP32
    graph = onnx.load(tmp_path / "decoder.fp16.onnx").graph
    numbers = {node.type.tensor_type.elem_type for node in (*graph.input, *graph.output)}
    assert onnx.TensorProto.FLOAT16 in numbers
    assert onnx.TensorProto.FLOAT not in numbers | {weight.data_type for weight in graph.initializer}


def test_a_comparison_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert chosen_precision(tmp_path) is Precision.FP32
    (tmp_path / COMPARISON).write_text("{}")
    with pytest.raises(ModelError, match="does not tell which precision"):
        chosen_precision(tmp_path)
