"""Whether CUDA can be used on this machine, and the reason where it cannot."""

import contextlib
import ctypes
import io
import sys
from pathlib import Path

import onnxruntime

CUDA_PROVIDER = "CUDAExecutionProvider"


def is_cuda_there() -> bool:
    """Whether a session on CUDA can be expected to open."""
    return cuda_problem() is None


def has_driver() -> bool:
    """Whether an NVIDIA driver is installed."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def cuda_problem() -> str | None:
    """Why CUDA cannot be used; None where it can.

    Loads the driver and, on Linux, the libraries of CUDA and counts the GPUs. Prints nothing.
    """
    if CUDA_PROVIDER not in onnxruntime.get_available_providers():
        return "this onnxruntime is built without CUDA (onnxruntime-gpu has it)"
    if not has_driver():
        return "no NVIDIA driver was found"
    if sys.platform != "linux":
        return None
    try:
        _load_libraries()
        return _device_problem(cuda_runtime())
    except OSError as error:
        return f"{error} (pip install 'onnxruntime-gpu[cuda,cudnn]' brings the libraries of CUDA)"


def cuda_runtime() -> ctypes.CDLL:
    """The CUDA runtime that onnxruntime computes with. Raises OSError where it is not there."""
    major = onnxruntime.cuda_version.partition(".")[0]
    return ctypes.CDLL(
        f"cudart64_{major}.dll" if sys.platform == "win32" else f"libcudart.so.{major}"
    )


def _load_libraries() -> None:
    """Load onnxruntime's CUDA libraries. Raises OSError, which names what is missing."""
    # The libraries of CUDA may be in packages. The loader prints what is missing.
    with contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()
    directory = Path(onnxruntime.__file__).parent / "capi"
    ctypes.CDLL(str(directory / "libonnxruntime_providers_shared.so"), ctypes.RTLD_GLOBAL)
    ctypes.CDLL(str(directory / "libonnxruntime_providers_cuda.so"))


def _device_problem(runtime: ctypes.CDLL) -> str | None:
    count = ctypes.c_int()
    error = runtime.cudaGetDeviceCount(ctypes.byref(count))
    if error:
        runtime.cudaGetErrorString.restype = ctypes.c_char_p
        text: bytes = runtime.cudaGetErrorString(error)
        return f"CUDA finds no GPU: {text.decode()}"
    return None if count.value else "CUDA finds no GPU"
