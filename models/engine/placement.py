"""Where our own graph of a model is computed, and in which precision."""

from dataclasses import dataclass
from pathlib import Path

from models.engine.cuda import cuda_problem, has_driver
from models.engine.precision import Precision, served_precision
from schemas.errors import ModelError


@dataclass(frozen=True, slots=True)
class Placement:
    """A device and a precision."""

    device: str
    """``cpu`` or ``cuda``."""
    precision: Precision
    unused_gpu: str | None = None
    """Why the GPU is not used, where an NVIDIA driver is installed and CUDA was not declined."""


def place(directory: Path, device: str, precision: str) -> Placement:
    """Choose for the graphs in ``directory``; the parameters are those of ``Engine.load``.

    On a GPU the precision is fp16: onnxruntime's GroupQueryAttention for CUDA has no fp32. The one
    for CPUs, which would stand in, gave wrong tokens between operators on the GPU. Raises
    ModelError where ``cuda`` is asked for and cannot be used.
    """
    problem = None if device == "cpu" else cuda_problem() or _fp16_problem(directory, precision)
    if device != "cpu" and problem is None:
        return Placement("cuda", Precision.FP16)
    if device == "cuda":
        raise ModelError(f"{directory} cannot run on cuda: {problem}; use --device cpu, or auto")
    return Placement(
        "cpu", served_precision(directory, precision), problem if problem and has_driver() else None
    )


def _fp16_problem(directory: Path, precision: str) -> str | None:
    if precision == "fp32":
        return "onnxruntime computes no attention over KV slots in fp32 there"
    if not (directory / Precision.FP16.file).is_file():
        return f"it has no {Precision.FP16.file}, because it was exported where CUDA did not work"
    return None
