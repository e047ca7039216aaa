"""Where CUDA does not work, and how a slot is copied where it does.

No GPU is needed: the driver and the CUDA runtime are stand-ins.
"""

import ctypes
import logging
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.engine import Engine
from models.engine.cuda_copies import CudaCopies
from models.engine.placement import place
from models.precision import Precision
from schemas.errors import EngineError, ModelError
from tests.unit.models.export.test_graph import make_model, write

_PROBE = (
    "from models.engine.cuda import cuda_problem, has_driver; print(has_driver(), cuda_problem())"
)


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler"
)
def test_a_driver_without_a_working_cuda_has_a_reason(tmp_path: Path) -> None:
    source = tmp_path / "driver.c"
    source.write_text("int cuInit(unsigned flags) { return 100; }\n")
    library = tmp_path / "libcuda.so.1"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", library, source], check=True
    )
    found = subprocess.run(
        [sys.executable, "-c", _PROBE],
        env={"LD_LIBRARY_PATH": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    there, _, problem = found.stdout.strip().partition(" ")
    assert there == "True"
    assert problem != "None"
    assert "no NVIDIA driver" not in problem


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(make_model("llama"), tmp_path / "model")


@pytest.mark.parametrize("driver", [True, False])
def test_a_gpu_that_is_not_used_is_a_warning_where_a_driver_is(
    model: Path, driver: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("models.engine.placement.cuda_problem", lambda: "a library is missing")
    monkeypatch.setattr("models.engine.placement.has_driver", lambda: driver)
    with caplog.at_level(logging.WARNING):
        engine = Engine.load(model, device="auto", threads=1)
    engine.close()
    assert engine.device == "cpu"
    assert engine.unused_gpu == ("a library is missing" if driver else None)
    assert ("a library is missing" in caplog.text) == driver
    with pytest.raises(ModelError, match="cannot run on cuda: a library is missing"):
        Engine.load(model, device="cuda", threads=1)


def test_a_gpu_on_which_no_session_opens_is_not_used_under_auto(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model / Precision.FP16.file).write_bytes((model / Precision.FP32.file).read_bytes())
    monkeypatch.setattr("models.engine.placement.cuda_problem", lambda: None)
    monkeypatch.setattr("models.engine.placement.has_driver", lambda: True)
    monkeypatch.setattr("models.engine.device.cuda_problem", lambda: "a library is missing")
    engine = Engine.load(model, device="auto", threads=1)
    engine.close()
    assert (engine.device, engine.precision) == ("cpu", Precision.FP32)
    assert "cannot run on cuda: a library is missing" in (engine.unused_gpu or "")
    with pytest.raises(ModelError, match="cannot run on cuda: a library is missing"):
        Engine.load(model, device="cuda", threads=1)


def test_a_gpu_serves_fp16_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.engine.placement.cuda_problem", lambda: None)
    monkeypatch.setattr("models.engine.placement.has_driver", lambda: True)
    assert place(tmp_path, "auto", "auto").device == "cuda", "the plain graph"
    (tmp_path / Precision.FP32.file).touch()
    placed = place(tmp_path, "auto", "auto")
    assert (placed.device, placed.precision) == ("cpu", Precision.FP32)
    assert "decoder.fp16.onnx" in (placed.unused_gpu or "")
    (tmp_path / Precision.FP16.file).touch()
    assert place(tmp_path, "auto", "auto").device == "cuda"
    assert place(tmp_path, "cuda", "int8").precision is Precision.FP16
    assert place(tmp_path, "cpu", "fp32").unused_gpu is None
    assert "fp32" in (place(tmp_path, "auto", "fp32").unused_gpu or "")
    with pytest.raises(ModelError, match="fp32"):
        place(tmp_path, "cuda", "fp32")


class _Function:
    """A function of a C library, whose types may be declared."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self.argtypes: Any = ()
        self.restype: Any = None

    def __call__(self, *arguments: Any) -> Any:
        return self._body(*arguments)


def _runtime(error: int = 0) -> Any:
    def copy(target: int, source: int, size: int, kind: int) -> int:
        ctypes.memmove(target, source, size)
        return error

    def copy_rows(
        target: int, pitch: int, source: int, from_pitch: int, width: int, rows: int, kind: int
    ) -> int:
        for row in range(rows):
            ctypes.memmove(target + row * pitch, source + row * from_pitch, width)
        return error

    return SimpleNamespace(
        cudaMemcpy=_Function(copy),
        cudaMemcpy2D=_Function(copy_rows),
        cudaStreamSynchronize=_Function(lambda stream: error),
        cudaGetErrorString=_Function(lambda code: b"out of order"),
    )


def test_rows_of_another_pitch_are_copied() -> None:
    source, target = np.arange(12, dtype=np.float32).reshape(3, 4), np.zeros((3, 6), np.float32)
    copies = CudaCopies(_runtime())
    copies.rows(source.ctypes.data, 16, target.ctypes.data, 24, 8, 3)
    copies.wait()
    np.testing.assert_array_equal(target[:, :2], source[:, :2])
    assert not target[:, 2:].any()
    row = np.empty(4, np.float32)
    copies.to_host(source.ctypes.data + 16, row)
    np.testing.assert_array_equal(row, source[1])


def test_a_copy_that_fails_is_named() -> None:
    with pytest.raises(EngineError, match="a copy on the GPU failed: out of order"):
        CudaCopies(_runtime(error=1)).wait()
