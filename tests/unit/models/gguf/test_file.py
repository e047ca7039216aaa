"""Headers of GGUF files: what is damaged or of another kind is refused, and named."""

import struct
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFWriter, dequantize
from gguf.constants import GGML_QUANT_SIZES

from models.gguf.checkpoint import write_checkpoint
from models.gguf.file import GgufFile
from models.gguf.tensors import Weight
from schemas.errors import ModelError


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def _entry(key: str, kind: int, value: bytes) -> bytes:
    return _text(key) + struct.pack("<I", kind) + value


def _tensor(name: str, shape: tuple[int, ...], kind: int, offset: int) -> bytes:
    return (
        _text(name)
        + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        + struct.pack("<IQ", kind, offset)
    )


def _file(
    entries: tuple[bytes, ...] = (),
    tensors: tuple[bytes, ...] = (),
    *,
    counts: tuple[int, int] | None = None,
    version: int = 3,
    data: int = 256,
) -> bytes:
    counts = counts or (len(tensors), len(entries))
    header = b"GGUF" + struct.pack("<IQQ", version, *counts) + b"".join((*entries, *tensors))
    return header + bytes(-len(header) % 32) + bytes(data)


_LIST = struct.pack("<IQ", 8, 1 << 40)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not a GGUF file: give a GGUF file, a directory"),
        (b"PK\3\4" + bytes(100), "is not a GGUF file"),
        (b"GGUF", "it ends within its header"),
        (_file(version=1), "has version 1 of GGUF, and versions 2 and 3"),
        (_file(version=3 << 24), "is a big-endian GGUF file"),
        (_file(counts=(1 << 60, 0)), "it announces 1,152,921,504,606,846,976 tensors"),
        (_file(counts=(0, 9), data=0), "it ends within its header"),
        (_file((_entry("a", 9, _LIST),)), "a list of 1,099,511,627,776 elements"),
        (_file((_entry("a", 9, struct.pack("<IQ", 9, 1)),)), "a value of kind 9"),
        (_file((_entry("a", 77, b"\0"),)), "a value of kind 77"),
        (_file((_entry("a", 0, b"\1"),) * 2), "it has a twice"),
        (_file((struct.pack("<Q", 1 << 62),)), "it ends within its header"),
        (_file((_entry("general.alignment", 4, bytes(4)),)), "its alignment is 0"),
        (
            _file((_entry("split.count", 2, struct.pack("<H", 3)),)),
            "is one of 3 parts of a model: join them",
        ),
        (_file((), (_tensor("t", (8, 8), 0, 1 << 63),)), "t lies beyond its end"),
        (_file((), (_tensor("t", (8, 9), 0, 0),)), "t lies beyond its end"),
        (_file((), (_tensor("t", (1 << 40, 1 << 40), 0, 0),)), "t lies beyond its end"),
        (_file((), (_tensor("t", (8,), 0, 0),) * 2), "it has t twice"),
        (_file((), (_tensor("t", (8, 0), 0, 0),)), "t has shape"),
        (_file((), (_tensor("t", (8,), 8, 0),)), "t has shape .* in blocks of 32"),
        (_file((), (_tensor("t", (8,), 250, 0),)), "t has quantization 250, which package gguf"),
        (_file((), (_tensor("t", (1,) * 5, 0, 0),)), "t has 5 dimensions"),
    ],
)
def test_a_damaged_header_is_refused(data: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.gguf"
    file.write_bytes(data)
    with pytest.raises(ModelError, match=message) as caught:
        GgufFile.read(file)
    assert str(file) in str(caught.value)
    with pytest.raises(ModelError, match=message):
        write_checkpoint(file, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_is_cut_anywhere_is_refused_or_whole(tmp_path: Path) -> None:
    entries = (
        _entry("a", 8, _text("text")),
        _entry("b", 9, struct.pack("<IQ3i", 5, 3, 1, 2, 3)),
        _entry("c", 9, struct.pack("<IQ", 8, 2) + _text("x") + _text("yz")),
    )
    whole = _file(entries, (_tensor("t", (8, 8), 0, 0),))
    file = tmp_path / "cut.gguf"
    file.write_bytes(whole)
    read = GgufFile.read(file)
    assert read.metadata["a"] == "text"
    assert read.metadata["b"].tolist() == [1, 2, 3]  # type: ignore[union-attr]
    assert read.metadata["c"] == ["x", "yz"]
    for end in range(len(whole)):
        file.write_bytes(whole[:end])
        with pytest.raises(ModelError):
            GgufFile.read(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.gguf cannot be read: No such file"):
        GgufFile.read(tmp_path / "none.gguf")


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in GGMLQuantizationType
        if kind.name[0] in "QIT" and kind.name[1:2] != "8" and GGML_QUANT_SIZES[kind][0] > 1
    ],
)
def test_every_quantization_of_the_package_is_read(
    kind: GGMLQuantizationType, tmp_path: Path
) -> None:
    block, size = GGML_QUANT_SIZES[kind]
    rows = np.random.default_rng(3).integers(0, 60, (3, size * 256 // block), np.uint8)
    try:
        expected = dequantize(rows, kind)
    except NotImplementedError:
        pytest.skip(f"package gguf does not convert {kind.name}")
    writer = GGUFWriter(tmp_path / "one.gguf", "llama")
    writer.add_tensor("t", rows, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file = GgufFile.read(tmp_path / "one.gguf")
    assert file.tensors["t"].shape == (3, 256)
    data = b"".join(Weight("t", file.tensors["t"], "F16").data(file))
    found = np.frombuffer(data, "<f2").reshape(3, 256)
    assert np.array_equal(found, expected.astype("<f2"))
