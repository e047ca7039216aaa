"""The plain graph's runner: files that it accepts, and its errors for files that it does not."""

import ctypes
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.engine import Engine
from models.engine.static.batch_runner import OnnxBatchRunner
from schemas.errors import EngineError, ModelError
from tests.unit.engine_model import CONTEXT, VOCABULARY, TinyModel, open_tiny


@pytest.fixture
def copy(tiny_model: TinyModel, tmp_path: Path) -> Path:
    """The tiny model's directory, to be damaged."""
    return Path(shutil.copytree(tiny_model.directory, tmp_path / "model"))


def load(directory: Path) -> OnnxBatchRunner:
    return OnnxBatchRunner.load(directory, device="cpu", threads=1)


def test_properties_of_a_model(tiny_model: TinyModel) -> None:
    session = open_tiny(tiny_model)
    assert (session.device, session.context_window, session.vocabulary) == (
        "cpu",
        CONTEXT,
        VOCABULARY,
    )
    assert session.most_tokens >= 1_000_000


def test_rows_go_on_alike_after_others_were_taken_out(tiny_model: TinyModel) -> None:
    session = open_tiny(tiny_model)
    prompts = [[7, 8], [1, 2, 3], [9] * 30]
    cache, first = session.start(prompts)
    np.testing.assert_allclose(first, session.read(prompts), atol=1e-5)
    session.step(cache, [4, 5, 6])
    session.keep(cache, [0, 1])
    assert cache.mask.shape == (2, 4)  # what was padding in both is gone
    np.testing.assert_allclose(
        session.step(cache, [1, 1]), session.read([[7, 8, 4, 1], [1, 2, 3, 5, 1]]), atol=1e-4
    )


def test_rows_that_started_apart_go_on_together(tiny_model: TinyModel) -> None:
    session = open_tiny(tiny_model)
    cache = session.join([session.start([[1, 2, 3]])[0], session.start([[7], [9] * 30])[0]])
    assert cache.mask.shape == (3, 30)
    np.testing.assert_allclose(
        session.step(cache, [4, 5, 6]),
        session.read([[1, 2, 3, 4], [7, 5], [*[9] * 30, 6]]),
        atol=1e-4,
    )


def test_a_finished_row_does_not_run_out_of_positions(tiny_model: TinyModel) -> None:
    session = open_tiny(tiny_model)
    cache, _ = session.start([[1] * CONTEXT, [2]])
    session.step(cache, [0, 3])
    assert cache.positions.tolist() == [CONTEXT - 1, 2]
    np.testing.assert_allclose(
        session.step(cache, [0, 4])[1:], session.read([[2, 3, 4]]), atol=1e-4
    )


def test_weights_that_are_not_finite_are_an_error_and_not_tokens(copy: Path) -> None:
    model = onnx.load(copy / "model.onnx")
    norms = [tensor for tensor in model.graph.initializer if list(tensor.dims) == [32]]
    assert norms
    for tensor in norms:
        tensor.CopyFrom(numpy_helper.from_array(np.full(32, np.nan, np.float32), tensor.name))
    onnx.save(model, copy / "model.onnx")
    with pytest.raises(EngineError, match="not finite"):
        load(copy).read([[1, 2]])


def test_a_directory_without_a_model(tmp_path: Path, copy: Path) -> None:
    with pytest.raises(ModelError, match=str(tmp_path / "nowhere" / "config.json")):
        Engine.load(tmp_path / "nowhere")
    (copy / "model.onnx").unlink()
    with pytest.raises(ModelError, match=str(copy / "model.onnx")):
        Engine.load(copy)


@pytest.mark.parametrize("content", [b"", b"not a model", None])
def test_a_broken_model_file_is_named(copy: Path, content: bytes | None) -> None:
    file = copy / "model.onnx"
    file.write_bytes(file.read_bytes()[:5000] if content is None else content)
    for device in ("auto", "cpu"):
        with pytest.raises(ModelError, match=str(file)):
            Engine.load(copy, device=device)
    with pytest.raises(ModelError, match=str(file)):
        OnnxBatchRunner.load(copy, device="cuda", threads=1)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("{", "not JSON"),
        ("[]", "context window"),
        ("{}", "context window"),
        ('{"n_positions": "many"}', "context window"),
    ],
)
def test_a_broken_configuration_is_named(copy: Path, config: str, reason: str) -> None:
    (copy / "config.json").write_text(config)
    with pytest.raises(ModelError, match=rf"config\.json.*{reason}"):
        load(copy)


def test_other_names_of_the_context_window(copy: Path) -> None:
    (copy / "config.json").write_text(json.dumps({"n_positions": 17}))
    assert load(copy).context_window == 17


def test_a_graph_of_another_kind_is_refused(copy: Path) -> None:
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4])
        for name in ("pixels", "logits")
    ]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["pixels"], ["logits"])], "other", ends[:1], ends[1:]
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10),
        copy / "model.onnx",
    )
    with pytest.raises(
        ModelError,
        match=r"model\.onnx is not a decoder with a cache .*pixels.*text-generation-with-past",
    ):
        load(copy)


def test_settings_out_of_range(copy: Path) -> None:
    with pytest.raises(ValueError, match="device"):
        OnnxBatchRunner.load(copy, device="tpu", threads=None)
    with pytest.raises(ValueError, match="threads"):
        OnnxBatchRunner.load(copy, device="cpu", threads=0)


def _cuda_works() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


@pytest.mark.skipif(_cuda_works(), reason="this machine has a GPU")
def test_without_a_gpu_auto_is_the_cpu_and_cuda_an_error_and_neither_prints(
    copy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = Engine.load(copy, device="auto")
    engine.close()
    assert engine.device == "cpu"
    with pytest.raises(ModelError, match=r"cannot run on cuda: .*auto"):
        Engine.load(copy, device="cuda")
    with pytest.raises(ModelError, match=r"cannot run on cuda: .*auto"):
        OnnxBatchRunner.load(copy, device="cuda", threads=None)
    assert capfd.readouterr() == ("", "")
