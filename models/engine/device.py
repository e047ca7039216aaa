"""Opens an onnxruntime session on the device that was asked for, quietly."""

import contextlib
import ctypes
import io
import os
import sys
from pathlib import Path

import onnxruntime

from schemas.errors import ModelError

DEVICES = ("auto", "cpu", "cuda")
_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
_ERROR, _FATAL, _WARNING = 3, 4, 2  # onnxruntime's log severities


def open_session(
    file: Path, device: str, threads: int | None, memory_gb: float | None = None
) -> tuple[onnxruntime.InferenceSession, str]:
    """A session for an ONNX file and its device, ``cpu`` or ``cuda``.

    ``auto`` is CUDA where a session on it really works, else the CPU. ``threads`` defaults to the
    CPUs that this process may use. ``memory_gb`` bounds what is taken of a GPU's memory, so that a
    fine-tuner may share it. Raises ModelError where the file is missing or broken, or where
    ``cuda`` was asked for and does not work; ValueError for another device or fewer than 1 thread.
    """
    if device not in DEVICES:
        raise ValueError(f"device is {device!r}: it must be one of {', '.join(DEVICES)}")
    if not file.is_file():
        raise ModelError(f"{file} does not exist: not an exported model, export it first")
    options = _options(threads)
    problem = "not tried"
    if device != "cpu":
        session, problem = _open_on_cuda(file, options, memory_gb)
        if session is not None:
            return session, "cuda"
    session = _open_on_cpu(
        file, options
    )  # also tells a broken file from a device that does not work
    if device == "cuda":
        raise ModelError(f"{file} cannot run on cuda: {problem}; use --device cpu, or auto")
    return session, "cpu"


def is_cuda_there() -> bool:
    """Whether CUDA may work: onnxruntime knows it and a driver is installed. Cheap, and no
    promise.
    """
    return _CUDA in onnxruntime.get_available_providers() and _has_driver()


def usable_cpus() -> int:
    """The CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _options(threads: int | None) -> onnxruntime.SessionOptions:
    threads = usable_cpus() if threads is None else threads
    if threads < 1:
        raise ValueError(f"threads is {threads}: it must be 1 or more")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin for work starve the Kafka client beside them on a small machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # A pattern is kept for each shape of the inputs, and every step of a generation has a new one.
    options.enable_mem_pattern = False
    options.log_severity_level = _ERROR
    return options


def _open_on_cpu(file: Path, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(file, options, providers=[_CPU], enable_fallback=0)
    except (
        Exception
    ) as error:  # the library has a dozen classes for a bad file and no common base but this
        raise ModelError(
            f"{file} cannot be loaded as an ONNX model: {error}; export it again"
        ) from error


def _open_on_cuda(
    file: Path, options: onnxruntime.SessionOptions, memory_gb: float | None
) -> tuple[onnxruntime.InferenceSession | None, str]:
    """A session on CUDA, or why there is none. Nothing is printed: a machine without a GPU is not a
    fault.
    """
    if _CUDA not in onnxruntime.get_available_providers():
        return None, "this onnxruntime is built without CUDA (onnxruntime-gpu has it)"
    if not _has_driver():
        return None, "no NVIDIA driver was found"
    onnxruntime.set_default_logger_severity(_FATAL)
    try:
        # The CUDA libraries may have come from packages; the loader tells what it misses on stdout.
        with contextlib.redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()
        limit = (
            {}
            if memory_gb is None
            else {
                "gpu_mem_limit": int(memory_gb * 1e9),
                "arena_extend_strategy": "kSameAsRequested",
            }
        )
        session = onnxruntime.InferenceSession(
            file, options, providers=[(_CUDA, limit), _CPU], enable_fallback=0
        )
    except Exception as error:  # whatever it is, the CPU is tried next, and judges the file
        return None, str(error)
    finally:
        onnxruntime.set_default_logger_severity(
            _WARNING
        )  # the library's default; it has no way to ask for the present one
    if _CUDA not in session.get_providers():
        return None, "onnxruntime could not load its CUDA libraries"
    return session, ""


def _has_driver() -> bool:
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True
