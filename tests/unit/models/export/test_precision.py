"""Int8 beside fp32: when it is refused, which graph is chosen, and which is served."""

import asyncio
import json
import os
from pathlib import Path

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")  # must precede torch

import numpy as np
import onnx
import pytest

from models.engine import PRECISION_FILE, Engine, Precision, chosen_precision
from models.export.export import export
from models.export.graph import build
from models.export.int8_verdict import PairedDifferences, holds, is_refused_early
from models.prompts.layout import Prompter
from models.releases.facts import ModelFacts
from models.releases.golden import Origin, reproduce, write_manifest
from models.releases.release import verify
from schemas.errors import ModelError
from tests.unit.checkpoints import make_checkpoint
from tests.unit.models.export.test_graph import make_model


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
def test_int8_is_chosen_where_quality_holds(
    nll: float, shift: float, same: float, chosen: Precision
) -> None:
    measured = differences(10, rise=nll - 3.0, shift=shift, changed=1 - same)
    assert holds(measured) is (chosen is Precision.INT8)


def differences(
    pairs: int, *, rise: float = 0.01, shift: float = 0.05, changed: float = 0.02
) -> PairedDifferences:
    """Pairs of 10 tokens each that all differ as much, ``rise`` in nats a token."""
    tokens = np.full(pairs, 10.0)
    return PairedDifferences(rise * tokens, tokens, np.full(pairs, shift), np.full(pairs, changed))


@pytest.mark.parametrize(
    ("measured", "refused"),
    [
        (differences(8), False),
        (differences(7, rise=0.1), False),  # too few for a look
        (differences(8, rise=0.1), True),
        (differences(8, shift=0.4), True),
        (differences(8, changed=0.2), True),
        (differences(3, shift=1.3), False),  # 3.9 of the 4 points that 40 pairs may move by
        (differences(3, shift=1.4), True),  # the others cannot make up for it
        (differences(2, changed=1.0), False),
        (differences(3, changed=1.0), True),
    ],
)
def test_a_clear_refusal_is_known_early(measured: PairedDifferences, refused: bool) -> None:
    assert is_refused_early(measured, 40) is refused


def test_an_early_refusal_needs_four_standard_errors() -> None:
    rises = np.array([0.0, 0.4] * 4)  # mean 0.2 over a limit of 0.2: neither side
    unclear = PairedDifferences(rises + 0.1, np.full(8, 10.0), np.zeros(8), np.zeros(8))
    clear = PairedDifferences(rises + 0.4, np.full(8, 10.0), np.zeros(8), np.zeros(8))
    assert not is_refused_early(unclear, 40)
    assert is_refused_early(clear, 40)


@pytest.mark.parametrize(("pairs", "enough"), [(0, False), (7, False), (8, True)])
def test_few_pairs_are_no_evidence(pairs: int, enough: bool) -> None:
    assert holds(differences(pairs)) is enough


@pytest.mark.slow
def test_the_house_model_is_served_in_int8(house: Path) -> None:
    found = json.loads((house / PRECISION_FILE).read_text())
    assert found["pairs"] == 40
    assert found["rating_agreement"] > 0.9
    assert found["chosen"] == "int8"
    assert ModelFacts.read(house).precision == "int8"
    assert (house / "decoder.int8.onnx").stat().st_size < 0.5 * (
        house / "decoder.onnx"
    ).stat().st_size
    assert PRECISION_FILE in verify(house).files


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["auto", "int8", "fp32"])
async def test_each_precision_reproduces_the_golden_answers(house: Path, precision: str) -> None:
    engine = Engine.load(house, device="cpu", threads=2, precision=precision)
    try:
        assert engine.precision == ("int8" if precision == "auto" else precision)
        await reproduce(house, engine, Prompter.load(house))
    finally:
        engine.close()


@pytest.mark.slow
def test_a_model_that_int8_changes_is_served_in_fp32(tmp_path: Path) -> None:
    release = tmp_path / "release"
    export(
        str(make_checkpoint(tmp_path / "checkpoint", context=2048)), release
    )  # random weights: ties everywhere
    assert chosen_precision(release) is Precision.FP32
    assert not (release / "decoder.int8.onnx").exists()
    with pytest.raises(ModelError, match=r"no decoder.int8.onnx: it cannot be served in int8"):
        Engine.load(release, device="cpu", precision="int8")


def test_the_graph_of_a_gpu_is_all_fp16(tmp_path: Path) -> None:
    build(make_model("qwen3"), tmp_path / "decoder.fp16.onnx", Precision.FP16)
    graph = onnx.load(tmp_path / "decoder.fp16.onnx").graph
    numbers = {
        node.type.tensor_type.elem_type
        for node in (*graph.input, *graph.output)
        if node.name != "nats"  # summed over the vocabulary in fp32
    }
    assert onnx.TensorProto.FLOAT16 in numbers
    assert onnx.TensorProto.FLOAT not in numbers | {
        weight.data_type for weight in graph.initializer
    }


def test_a_comparison_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert chosen_precision(tmp_path) is Precision.FP32
    (tmp_path / PRECISION_FILE).write_text("{}")
    with pytest.raises(ModelError, match="does not state which precision"):
        chosen_precision(tmp_path)
