"""Where a model is computed, and in which precision. Nothing else decides what ``auto`` is."""

from dataclasses import dataclass
from pathlib import Path

from models.engine.cuda import cuda_problem, has_driver
from models.precision import Precision, served_precision
from schemas.errors import ModelError

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, slots=True)
class Placement:
    """A device and a precision."""

    device: str
    """``cpu`` or ``cuda``."""
    precision: Precision
    """That of our own graph. The plain graph has its own, and this is FP32."""
    unused_gpu: str | None = None
    """Why the GPU is not used, where an NVIDIA driver is installed and CUDA was not declined."""


def is_plain(directory: Path) -> bool:
    """Whether a directory has the plain graph alone, and none of ours."""
    return not any((directory / each.file).is_file() for each in Precision)


def place(directory: Path, device: str, precision: str) -> Placement:
    """Choose for the graphs in ``directory``; the parameters are those of ``Engine.load``.

    On a GPU the precision of our own graph is fp16: onnxruntime's GroupQueryAttention for CUDA has
    no fp32. The one for CPUs, which would stand in, gave wrong tokens between operators on the GPU.
    Raises ModelError where ``cuda`` is asked for and cannot be used, ValueError for another device.
    """
    if device not in DEVICES:
        raise ValueError(f"device is {device!r}: it must be one of {', '.join(DEVICES)}")
    if device == "cpu":
        return _on_cpu(directory, precision)
    plain = is_plain(directory)
    problem = cuda_problem() or (None if plain else _fp16_problem(directory, precision))
    if problem is None:
        return Placement("cuda", Precision.FP32 if plain else Precision.FP16)
    if device == "cuda":
        raise ModelError(f"{directory} cannot run on cuda: {problem}; use --device cpu, or auto")
    return place_without_gpu(directory, precision, problem)


def place_without_gpu(directory: Path, precision: str, problem: str) -> Placement:
    """Choose the CPU in place of a GPU that cannot be used, for the reason ``problem``."""
    return _on_cpu(directory, precision, problem if has_driver() else None)


def _on_cpu(directory: Path, precision: str, unused_gpu: str | None = None) -> Placement:
    served = Precision.FP32 if is_plain(directory) else served_precision(directory, precision)
    return Placement("cpu", served, unused_gpu)


def _fp16_problem(directory: Path, precision: str) -> str | None:
    if precision == "fp32":
        return "onnxruntime computes no attention over KV slots in fp32 there"
    if not (directory / Precision.FP16.file).is_file():
        return f"it has no {Precision.FP16.file}, because it was exported where CUDA did not work"
    return None
