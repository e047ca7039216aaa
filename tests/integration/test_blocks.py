"""The commands and the Python of the README, the tutorial and the how-to pages, as a reader runs
them: in one directory, on one stream, by the bundled model.

Clients that need nothing but a broker are in ``test_clients.py``.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from documentation.blocks import PAGES, Block, blocks
from streams.cli.connection import connected
from streams.settings import load
from tests.integration.commands import backstream
from tests.integration.conftest import passage, wait_until_idle
from tests.integration.waiting import wait_until
from tests.unit.checkpoints import make_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.timeout(1200)]
_ROOT = Path(__file__).parents[2]
_CLIENTS = _ROOT / "docs" / "how-to" / "own-kafka.md"
_EXECUTED = [
    block
    for page in PAGES
    for block in blocks(page)
    if block.reason is None and not (block.language == "python" and page == _CLIENTS)
]
_STREAM = ["up", "--no-training", "--page", "-s", "page.listen=127.0.0.1:0"]
_ENVIRONMENT = {
    "BACKSTREAM_CURATION__THRESHOLD": "1",  # so that some examples are accepted
    "BACKSTREAM_THREADS": "1",
    "PYTHONPATH": str(_ROOT),
}


_CHAT_TEMPLATE = "{% for one in messages %}{{ one.role }}: {{ one.content }}\n{% endfor %}"


class Reader:
    """Somebody who copies blocks into a terminal."""

    def __init__(self, directory: Path, model: Path) -> None:
        self._directory = directory
        self._run_before: list[list[str]] = []
        self._replaced = {
            "HuggingFaceTB/SmolLM2-135M-Instruct": str(model),
            "demo_documents()": "list(demo_documents(few=True))[:6]",
        }
        shim = directory / "bin" / "backstream"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m streams "$@"\n')
        shim.chmod(0o755)
        self._environment = {**os.environ, "PATH": f"{shim.parent}:{os.environ['PATH']}"}

    def run(self, block: Block) -> None:
        """Run a block. Fails the test if a command fails."""
        if block.language == "python":
            self._run_python(block)
        else:
            for line in filter(None, block.code.splitlines()):
                self._run_command(block, line)

    def _run_python(self, block: Block) -> None:
        code = block.code
        for there, here in self._replaced.items():
            code = code.replace(there, here)
        first = code.partition("\n")[0]
        name = first[2:] if first.startswith("# ") and first.endswith(".py") else "block.py"
        (self._directory / name).write_text(code)
        self._finish(block, [sys.executable, name])

    def _run_command(self, block: Block, line: str) -> None:
        words = shlex.split(line, comments=True)
        if words in self._run_before:
            return
        self._run_before.append(words)
        if words[0] != "backstream" or {"|", ">", "&&"} & set(words):
            self._finish(block, ["sh", "-ec", line])
            return
        ended = backstream(*words[1:], answers="4\n2\n")
        assert ended.code == 0, f"{block}: {line}: {ended.text}"
        if words[1] == "feed":
            self._wait_until_done()

    def _finish(self, block: Block, command: list[str]) -> None:
        done = subprocess.run(
            command,
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, f"{block}: {done.stdout}{done.stderr}"

    def _wait_until_done(self) -> None:
        with connected(load()) as settings:
            wait_until_idle(settings, 1)


@pytest.fixture(scope="module")
def reader(house: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader in a folder with a running stream and documents."""
    directory = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        for name, value in _ENVIRONMENT.items():
            patch.setenv(name, value)
        model = make_checkpoint(directory / "model", context=1024, chat_template=_CHAT_TEMPLATE)
        reader = Reader(directory, model)
        for number, name in enumerate(("README.md", "docs/a.txt", "notes/b.txt")):
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_text(passage(number))
        pair = {"instruction": "What is a tide?", "response": "The rise and fall of the sea."}
        (directory / "dolly.jsonl").write_text(json.dumps(pair) + "\n")
        log = directory / "up.log"
        with log.open("w") as file:
            stream = subprocess.Popen([sys.executable, "-m", "streams", *_STREAM], stderr=file)
        try:
            wait_until(lambda: stream.poll() is not None or "broker at" in log.read_text(), 360)
            assert stream.poll() is None, log.read_text()
            yield reader
        finally:
            stream.terminate()
            stream.wait(360)


def test_blocks_do_what_their_page_says(reader: Reader) -> None:
    """One test: a block of a page may need what those before it have made."""
    order = ["tutorial", "README"]
    for block in sorted(
        _EXECUTED, key=lambda b: order.index(b.page.stem) if b.page.stem in order else len(order)
    ):
        reader.run(block)
    assert Path("chat.jsonl").stat().st_size
