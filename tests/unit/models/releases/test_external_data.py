"""A graph whose weights lie in another file can name only one in its own directory.

onnxruntime checks that. ``models/releases/store.py`` relies on it, so a change must be noticed.
"""

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from models.engine.device import open_session
from schemas.errors import ModelError


def _graph(location: str) -> ModelProto:
    weights = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL
    )
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        weights.external_data.add(key=key, value=value)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("x", "y")]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "g", values[:1], values[1:], [weights]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _open(directory: Path, location: str) -> None:
    file = directory / "model.onnx"
    file.write_bytes(_graph(location).SerializeToString())
    open_session(file, "cpu", 1)


def test_external_data_stay_in_the_directory(tmp_path: Path) -> None:
    outside, directory = tmp_path / "outside.data", tmp_path / "release"
    directory.mkdir()
    for file in (outside, directory / "inside.data"):
        file.write_bytes(np.zeros(4, np.float32).tobytes())
    (directory / "link.data").symlink_to(outside)
    _open(directory, "inside.data")
    for location in (str(outside), "../outside.data", "x/../../outside.data", "link.data"):
        with pytest.raises(ModelError, match="External data path validation failed"):
            _open(directory, location)
