"""Writes weights as safetensors, a slice at a time: the library wants all of them in memory."""

import json
from collections.abc import Sequence
from pathlib import Path

from models.gguf.file import GgufFile
from models.gguf.tensors import Weight


def write_safetensors(file: GgufFile, weights: Sequence[Weight], destination: Path) -> None:
    """Write the weights of a GGUF file into one safetensors file.

    The format: the size of a JSON header in 8 bytes, the header, which has the dtype, shape and
    place of each tensor, and the tensors. Raises ModelError and OSError.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for weight in weights:
        start, end = end, end + weight.size
        header[weight.name] = {
            "dtype": weight.dtype,
            "shape": list(weight.place.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # so that the tensors are aligned
    with destination.open("wb") as output:
        output.write(len(text).to_bytes(8, "little"))
        output.write(text)
        for weight in weights:
            for data in weight.data(file):
                output.write(data)
