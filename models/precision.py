"""Which graph of a release is served: fp32, or int8 where its export found that quality holds."""

import json
from enum import StrEnum
from pathlib import Path

from schemas.errors import ModelError

PRECISION_FILE = "precision.json"
"""What the export measured of int8 beside fp32, and which of them it chose.

Written by ``models/export/int8_choice.py``.
"""
DECODER_FILE = "decoder.onnx"
"""The engine's own graph in fp32. Every model that has a graph of ours has this one."""
MODEL_FILE = "model.onnx"
"""The graph of an architecture that has none of ours."""


class Precision(StrEnum):
    """Number type of the weights and of what they are multiplied with."""

    FP32 = "fp32"
    INT8 = "int8"
    FP16 = "fp16"
    """On a GPU, and only there. Written where the export found one."""

    @property
    def file(self) -> str:
        """File name of the graph."""
        return DECODER_FILE if self is Precision.FP32 else f"decoder.{self}.onnx"


def served_precision(directory: Path, asked: str) -> Precision:
    """The precision to serve on a CPU, of a directory that has a graph of ours.

    ``asked`` is ``auto``, which is what the export chose, ``fp32`` or ``int8``. Raises ModelError
    where int8 is asked for and was not written.
    """
    if asked == "auto":
        return chosen_precision(directory)
    precision = Precision(asked)
    if not (directory / precision.file).is_file():
        raise ModelError(
            f"{directory} has no {precision.file}: it cannot be served in {precision}; use "
            "fp32, or auto"
        )
    return precision


def chosen_precision(directory: Path) -> Precision:
    """The precision that the export chose; fp32 where it compared nothing.

    Raises ModelError where its file cannot be read.
    """
    file = directory / PRECISION_FILE
    try:
        return Precision(json.loads(file.read_text(encoding="utf-8"))["chosen"])
    except FileNotFoundError:
        return Precision.FP32
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{file} does not state which precision to serve ({error!r}): delete and build "
            "the release again"
        ) from error
