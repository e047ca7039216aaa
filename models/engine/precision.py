"""Which of a release's graphs is served: fp32, or int8 where its export found that quality
holds.
"""

import json
from enum import StrEnum
from pathlib import Path

from models.engine.onnx_runner import DECODER_FILE, FP16_FILE, INT8_FILE
from schemas.errors import ModelError

PRECISION_FILE = "precision.json"
"""What the export measured of int8 beside fp32, and which of them it chose
(``models/export/int8_choice.py``).
"""


class Precision(StrEnum):
    """Of the weights and of what they multiply."""

    FP32 = "fp32"
    INT8 = "int8"
    FP16 = "fp16"
    """On a GPU alone; written where the export found one."""

    @property
    def file(self) -> str:
        """Name of the graph."""
        return {Precision.FP32: DECODER_FILE, Precision.INT8: INT8_FILE, Precision.FP16: FP16_FILE}[
            self
        ]


def served_precision(directory: Path, asked: str, *, on_cuda: bool) -> Precision:
    """What to serve of a directory that has our graph. ``asked`` is ``auto``, ``fp32`` or ``int8``.

    ``auto`` is what the export chose; on a GPU fp16 where that was written, else fp32. Raises
    ModelError where int8 is asked for and was not written.
    """
    if on_cuda:
        half = asked != "fp32" and (directory / FP16_FILE).is_file()
        return Precision.FP16 if half else Precision.FP32
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
    """What the export chose; fp32 where it compared nothing. Raises ModelError where that cannot be
    read.
    """
    file = directory / PRECISION_FILE
    try:
        return Precision(json.loads(file.read_text(encoding="utf-8"))["chosen"])
    except FileNotFoundError:
        return Precision.FP32
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{file} does not tell which precision to serve ({error!r}): delete and build "
            "the release again"
        ) from error
