"""A stream whose models are behind an address, on a server that is killed and refuses."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.remote.usage import read_usage
from schemas.records import Scored
from schemas.wire import decode, header_map
from streams.cli.documents import read_documents
from streams.data.feed import feed
from streams.data.tally import Tally
from streams.kafka.reading.replay import replay
from streams.kafka.topics import CANDIDATES, DEAD_LETTERS, SCORED
from streams.observe.audit import audit
from streams.observe.lag import FlowReader
from streams.settings import RemoteSettings, Settings
from tests.integration.conftest import WorkerProcess, passage, wait_for_flow, wait_until_idle
from tests.remote.server import KEY

_DOCUMENTS = 16


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def started(house: Path, port: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A server in a process of its own, which is killed at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.remote.server", str(house), str(port), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    try:
        assert json.loads(process.stdout.readline())["url"]
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def remote(settings: Settings, port: int, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("BACKSTREAM_REMOTE_KEY", KEY)
    name = f"openai:house@http://127.0.0.1:{port}/v1"
    return settings.model_copy(
        update={
            "backward": name,
            "forward": name,
            "remote": RemoteSettings(in_flight=4),
        }
    )


def _feed(settings: Settings, directory: Path, count: int) -> None:
    for number in range(count):
        (directory / f"note{number}.txt").write_text(passage(number))
    names = [str(directory / f"note{number}.txt") for number in range(count)]
    feed(settings.kafka.cluster(), read_documents(names, None, None, Tally()))


def test_nothing_is_lost_or_doubled_by_a_server_that_dies_and_refuses(
    remote: Settings, house: Path, port: int, tmp_path: Path
) -> None:
    worker = WorkerProcess(remote, house)  # before there is a server
    try:
        worker.wait_until_ready()
        _feed(remote, tmp_path, _DOCUMENTS)
        with started(house, port, "--slow", "0.05"):
            wait_for_flow(remote, lambda flow: flow.messages["candidates"] > 2)
        with started(house, port, "--faulty", "4"):
            wait_until_idle(remote, _DOCUMENTS)
    finally:
        worker.kill()
    cluster = remote.kafka.cluster()
    with FlowReader(cluster) as reader:
        assert audit(cluster, reader.committed()).complete
    assert list(replay(cluster, DEAD_LETTERS)) == []
    candidates = [message.key for message in replay(cluster, CANDIDATES)]
    assert len(set(candidates)) == len(candidates)
    scored = [
        decode(Scored, message.value, header_map(message.headers))
        for message in replay(cluster, SCORED)
    ]
    assert sorted(each.id for each in scored) == sorted(map(bytes.decode, filter(None, candidates)))
    assert {each.rating.release for each in scored} == {
        each.candidate.provenance.release for each in scored
    }
    assert scored[0].rating.release.startswith("openai-house-127.0.0.1-")
    assert set(read_usage(remote.usage_file)) == {"backward", "forward"}
    for file in remote.state_dir.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file


def test_a_budget_stops_the_stream_and_a_higher_one_goes_on(
    remote: Settings, house: Path, port: int, tmp_path: Path
) -> None:
    small = remote.model_copy(update={"remote": RemoteSettings(budget_tokens=12_000)})
    _feed(remote, tmp_path, 8)
    with started(house, port):
        worker = WorkerProcess(small, house)
        try:
            worker.wait_until_ready()
            wait_for_flow(small, lambda flow: "remote.budget_tokens of 12,000" in worker.describe())
        finally:
            assert worker.terminate() == 0, worker.describe()
        used = sum(usage.charged_tokens for usage in read_usage(small.usage_file).values())
        assert 0 < used <= 12_000
        worker = WorkerProcess(remote, house)
        try:
            worker.wait_until_ready()
            wait_until_idle(remote, 8)
        finally:
            worker.kill()
    cluster = remote.kafka.cluster()
    assert list(replay(cluster, DEAD_LETTERS)) == []
    with FlowReader(cluster) as reader:
        assert audit(cluster, reader.committed()).complete
