"""Opens an onnxruntime session on the CPU or a GPU."""

import os
from pathlib import Path

import onnxruntime

from models.engine.cuda import CUDA_PROVIDER, cuda_problem
from models.engine.subnormals import subnormals_as_zero
from schemas.errors import ModelError

_CPU = "CPUExecutionProvider"
_ERROR, _FATAL, _WARNING = 3, 4, 2  # onnxruntime's log severities


def open_session(
    file: Path, device: str, threads: int | None, memory_gb: float | None = None
) -> onnxruntime.InferenceSession:
    """Open an ONNX file on a device, ``cpu`` or ``cuda``.

    ``threads`` defaults to the CPUs that this process may use. ``memory_gb`` bounds the memory
    taken of a GPU, so that a fine-tuner may share it. Raises ModelError where the file is missing
    or broken, or the device does not work; ValueError for another device or fewer than 1 thread.
    """
    if device not in ("cpu", "cuda"):
        raise ValueError(f"device is {device!r}: it must be cpu or cuda")
    if not file.is_file():
        raise ModelError(f"{file} does not exist: not an exported model, export it first")
    options = _options(threads)
    if device == "cpu":
        return _open_on_cpu(file, options)
    session, problem = _open_on_cuda(file, options, memory_gb)
    if session is None:
        _open_on_cpu(file, options)  # this distinguishes a broken file from a device
        raise ModelError(f"{file} cannot run on cuda: {problem}; use --device cpu, or auto")
    return session


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
    # Threads that spin starve the Kafka client beside them on a small machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    # With AVX2 or AVX512 and without VNNI, products of 8 bits would saturate in 16 and be wrong.
    # Has no effect on other processors (onnxruntime_session_options_config_keys.h).
    options.add_session_config_entry("session.x64quantprecision", "1")
    # A pattern is kept for each shape of the inputs, and every decode step has a new shape.
    options.enable_mem_pattern = False
    options.log_severity_level = _ERROR
    return options


def _open_on_cpu(file: Path, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    try:
        # The first session of a process sets what it computes with in the thread that opens it.
        with subnormals_as_zero():
            return onnxruntime.InferenceSession(file, options, providers=[_CPU], enable_fallback=0)
    except Exception as error:  # onnxruntime has many error classes and no other common base
        raise ModelError(
            f"{file} cannot be loaded as an ONNX model: {error}; export it again"
        ) from error


def _open_on_cuda(
    file: Path, options: onnxruntime.SessionOptions, memory_gb: float | None
) -> tuple[onnxruntime.InferenceSession | None, str]:
    """A session on CUDA, or None and the reason. Prints nothing."""
    if (problem := cuda_problem()) is not None:
        return None, problem
    # TF32 would round the factors of fp32 products to 10 bits.
    provider = {"use_tf32": "0"}
    if memory_gb is not None:
        provider |= {
            "gpu_mem_limit": str(int(memory_gb * 1e9)),
            "arena_extend_strategy": "kSameAsRequested",
        }
    onnxruntime.set_default_logger_severity(_FATAL)
    try:
        session = onnxruntime.InferenceSession(
            file, options, providers=[(CUDA_PROVIDER, provider), _CPU], enable_fallback=0
        )
    except Exception as error:  # of any kind: the CPU is tried next, and finds a broken file
        return None, str(error)
    finally:
        # The library's default; it has no function that returns the present severity.
        onnxruntime.set_default_logger_severity(_WARNING)
    if CUDA_PROVIDER not in session.get_providers():
        return None, "onnxruntime could not open its CUDA provider"
    return session, ""
