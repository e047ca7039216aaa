"""What onnxruntime's CUDA libraries need is in the environment, except the driver's own."""

import struct
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import onnxruntime
import pytest

_CAPI = Path(onnxruntime.__file__).parent / "capi"
_PROVIDERS = ("libonnxruntime_providers_cuda.so", "libonnxruntime_providers_shared.so")
_OF_THE_DRIVER = {"libcuda.so.1"}
_OF_THE_SYSTEM = ("libc.", "libm.", "libdl.", "librt.", "libpthread.", "libstdc++.", "libgcc_s.")
_LOADER = "ld-linux-x86-64.so.2"
_DYNAMIC, _LOAD = 2, 1  # types of program headers
_NEEDED, _STRING_TABLE = 1, 5  # tags of the dynamic section


def _needed(file: Path) -> set[str]:
    """The NEEDED entries of a 64-bit little-endian shared object (System V ABI, chapters 4, 5)."""
    content = file.read_bytes()
    assert content[:6] == b"\x7fELF\x02\x01"
    (start,), (size, count) = (
        struct.unpack_from("<Q", content, 32),
        struct.unpack_from("<HH", content, 54),
    )
    headers = [struct.unpack_from("<IIQQQQ", content, start + size * n) for n in range(count)]
    loaded = [(address, at, length) for kind, _, at, address, _, length in headers if kind == _LOAD]
    ((dynamic, length),) = [
        (at, length) for kind, _, at, _, _, length in headers if kind == _DYNAMIC
    ]
    entries = list(struct.iter_unpack("<qQ", content[dynamic : dynamic + length]))
    (strings,) = (value for tag, value in entries if tag == _STRING_TABLE)
    (table,) = (
        at + strings - address
        for address, at, size in loaded
        if address <= strings < address + size
    )
    starts = [table + value for tag, value in entries if tag == _NEEDED]
    return {content[at : content.index(b"\0", at)].decode() for at in starts}


@pytest.mark.skipif(
    not (_CAPI / _PROVIDERS[0]).is_file(), reason="this onnxruntime is built without CUDA"
)
def test_every_library_is_in_the_environment() -> None:
    try:
        distribution("nvidia-curand")
    except PackageNotFoundError:
        pytest.skip("the extra `gpu` is not installed: run `make setup`")
    site = [Path(path) for path in sys.path if (Path(path) / "nvidia").is_dir()]
    found = {file.name for path in site for file in (path / "nvidia").glob("*/lib/*.so*")}
    for provider in _PROVIDERS:
        foreign = {
            name
            for name in _needed(_CAPI / provider)
            if not name.startswith(_OF_THE_SYSTEM) and name != _LOADER
        }
        assert foreign - found <= _OF_THE_DRIVER, provider
