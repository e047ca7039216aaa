"""Copies in a GPU's memory, by the CUDA runtime: onnxruntime has none for a part of a tensor."""

import ctypes

import numpy as np
from numpy.typing import NDArray

from models.engine.cuda import cuda_runtime
from schemas.errors import EngineError

_TO_HOST, _ON_DEVICE = 2, 3  # cudaMemcpyKind
_SIZE, _POINTER = ctypes.c_size_t, ctypes.c_void_p


class CudaCopies:
    """Copies between addresses on the GPU, and from there to the host.

    onnxruntime has a stream of its own and waits for it at the end of each call. So a copy that is
    made between two calls of a session follows the first; ``wait`` before the second.
    """

    def __init__(self, runtime: ctypes.CDLL | None = None) -> None:
        """``runtime`` is the CUDA runtime's library, and is found where it is not given."""
        self._runtime = runtime or cuda_runtime()
        self._runtime.cudaMemcpy.argtypes = (_POINTER, _POINTER, _SIZE, ctypes.c_int)
        self._runtime.cudaMemcpy2D.argtypes = (
            *(_POINTER, _SIZE, _POINTER, _SIZE, _SIZE, _SIZE),
            ctypes.c_int,
        )
        self._runtime.cudaStreamSynchronize.argtypes = (_POINTER,)
        self._runtime.cudaGetErrorString.restype = ctypes.c_char_p

    def rows(
        self, source: int, source_pitch: int, target: int, target_pitch: int, width: int, rows: int
    ) -> None:
        """Copy the first ``width`` bytes of each of ``rows`` rows, whose pitch is in bytes.

        Returns before they are copied. Raises EngineError where the GPU refuses.
        """
        self._check(
            self._runtime.cudaMemcpy2D(
                target, target_pitch, source, source_pitch, width, rows, _ON_DEVICE
            )
        )

    def wait(self) -> None:
        """Return once every copy is made. Raises EngineError where one failed."""
        self._check(self._runtime.cudaStreamSynchronize(None))

    def to_host(self, address: int, array: NDArray[np.generic]) -> None:
        """Fill a contiguous array from the GPU. Raises EngineError where the GPU refuses."""
        self._check(self._runtime.cudaMemcpy(array.ctypes.data, address, array.nbytes, _TO_HOST))

    def _check(self, error: int) -> None:
        if error:
            text: bytes = self._runtime.cudaGetErrorString(error)
            raise EngineError(f"a copy on the GPU failed: {text.decode()}")
