"""A remote model against llama.cpp's own server with SmolLM2, which is killed with requests in it.

Skipped where SmolLM2 is not in the cache (``backstream models add smollm2`` downloads 93 MB).
"""

import asyncio
import contextlib
import importlib.util
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models.releases.cache import default_cache
from models.releases.names import NAMED
from models.releases.wheels import WheelFile
from models.remote.address import RemoteAddress
from models.remote.client import RemoteClient, RequestOptions
from models.remote.model import RemoteModel
from models.remote.usage import Account, Ledger
from models.sampling import Sampling
from schemas.errors import PromptTooLong

_PASSAGE = (
    "To open a file, call open() with its name. Use it in a with statement, so that it is closed "
    "again when the block ends."
)


@pytest.fixture
def smollm2() -> Path:
    """The GGUF file of SmolLM2."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed: the dev extra has it on Linux on x86-64")
    source = NAMED["smollm2"].source
    assert isinstance(source, WheelFile)
    file = default_cache() / "downloads" / Path(source.member).name
    if not file.is_file():
        pytest.skip("SmolLM2 is not in the cache: `backstream models add smollm2` downloads it")
    return file


@contextlib.asynccontextmanager
async def _serving(file: Path, port: int) -> AsyncIterator[None]:
    """llama.cpp's server in a process, which is killed at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.remote.llama_cpp", str(file), str(port)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline()
        yield
    finally:
        process.kill()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.slow
async def test_a_real_server_writes_rates_and_is_killed(smollm2: Path) -> None:
    port, ledger = _free_port(), Ledger(None)
    client = RemoteClient(
        RemoteAddress.parse(f"openai:smollm2@http://127.0.0.1:{port}/v1"),
        None,
        Account("backward", ledger),
        RequestOptions(retries=20),
    )
    model = RemoteModel(client)

    async def write(number: int, tokens: int) -> str:
        sampling = Sampling(max_tokens=tokens)
        written = await model.write_instruction(f"s-{number}", _PASSAGE, None, sampling)
        return written.instruction

    try:
        async with _serving(smollm2, port):
            rating = await model.rate("How do I open a file?", _PASSAGE, None)
            assert 1 <= rating.score <= 5
            assert rating.digit_mass > 0.5
            assert "gives no likelihoods" in await model.rates_by()
            with pytest.raises(PromptTooLong, match="exceeds the available context size"):
                await model.rate("What?", "word " * 5000, None)
            answered = ledger.usage()["backward"].requests
            waiting = [asyncio.create_task(write(number, 200)) for number in range(2)]
            while ledger.usage()["backward"].unanswered_tokens == 0:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)
        waiting.append(asyncio.create_task(write(2, 8)))
        async with _serving(smollm2, port):
            assert all(await asyncio.gather(*waiting))
        used = ledger.usage()["backward"]
        assert used.requests == answered + 3
        assert used.unanswered_tokens > 0, "the server may have done what it was killed in"
    finally:
        await model.aclose()
