"""Writes what llama.cpp makes of the texts into ``tests/fixtures/token_ids.json``.

Run it in the environment of bench/peers.txt, with this project on the path:
``.venv-peers/bin/python -m tests.unit.models.gguf.llama_cpp``.
"""

import json
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from tests.unit.checkpoints import make_checkpoint
from tests.unit.models.gguf.files import Words, write_gguf
from tests.unit.models.gguf.vocabularies import TEXTS, every

FIXTURE = Path(__file__).parents[3] / "fixtures" / "token_ids.json"


def _ids(words: Words, folder: Path) -> dict[str, list[list[int]]]:
    """Ids of each text: with special tokens parsed and added, and as mere text."""
    import xllamacpp

    checkpoint = make_checkpoint(
        folder / "tiny", layers=1, vocabulary=len(words.tokens), half=False
    )
    write_gguf(folder / "tiny.gguf", checkpoint, words=words)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(folder / "tiny.gguf")
    parameters.n_ctx = 128
    parameters.warmup = False
    server = xllamacpp.Server(parameters)

    def ask(text: str, special: bool) -> list[int]:
        body = {"content": text, "add_special": special, "parse_special": special}
        request = urllib.request.Request(
            f"{server.listening_address}/tokenize",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            found: dict[str, Any] = json.load(response)
        return list(found["tokens"])

    return {
        "parsed": [ask(text, True) for text in TEXTS],
        "literal": [ask(text, False) for text in TEXTS],
    }


def main() -> None:
    """Write the fixture."""
    found = {}
    for name, words in every():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = _ids(words, Path(folder))
    lines = (f"{json.dumps(name)}: {json.dumps(ids)}" for name, ids in found.items())
    FIXTURE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
