"""Subnormal numbers count as 0 while a model computes, and at no other time."""

import platform
import subprocess
import sys
import threading

import numpy as np
import pytest

from models.engine.subnormals import subnormals_as_zero

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="subnormal numbers are left as they are on this machine",
)


def product() -> float:
    """Of two numbers whose product is subnormal in float32."""
    return float((np.full(64, 1e-20, np.float32) * np.full(64, 1e-20, np.float32)).max())


def test_a_subnormal_product_is_0_inside_and_not_afterwards() -> None:
    assert product() > 0
    with subnormals_as_zero():
        assert product() == 0
    assert product() > 0


def test_it_is_restored_after_an_error() -> None:
    with pytest.raises(RuntimeError), subnormals_as_zero():
        raise RuntimeError
    assert product() > 0


def test_other_threads_are_not_changed() -> None:
    found: list[float] = []
    entered, left = threading.Event(), threading.Event()

    def other() -> None:
        entered.wait(10)
        found.append(product())
        left.set()

    thread = threading.Thread(target=other)
    thread.start()
    with subnormals_as_zero():
        entered.set()
        left.wait(10)
    thread.join()
    assert found[0] > 0


_OPENED = """
import sys
from pathlib import Path
import onnx
from onnx import TensorProto, helper
from models.engine.device import open_session
from tests.unit.models.engine.test_subnormals import product
shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", shapes[:1], shapes[1:])
file = Path(sys.argv[1])
opsets = [helper.make_opsetid("", 20)]
onnx.save_model(helper.make_model(graph, opset_imports=opsets, ir_version=10), file)
open_session(file, "cpu", 2)
assert product() > 0
"""


def test_the_first_session_of_a_process_changes_nothing_for_its_thread(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    file = tmp_path_factory.mktemp("session") / "relu.onnx"
    subprocess.run([sys.executable, "-c", _OPENED, str(file)], check=True, timeout=120)
