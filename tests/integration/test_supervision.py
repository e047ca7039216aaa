"""``up`` while its broker dies, while another one is started, and after ``kill -9``."""

import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from streams.data.feed import feed
from streams.kafka.embedded.running import running_address
from streams.observe.lag import FlowReader
from streams.settings import load
from tests.integration.documents import notes
from tests.integration.waiting import wait_until

ROOT = Path(__file__).parents[2]
_SHUTDOWN_SECONDS = 10
Start = Callable[..., "Up"]


class Up:
    """A ``backstream up`` without a trainer, and what it says."""

    def __init__(self, state: Path, log: Path, *before: str) -> None:
        self.log = log
        command = [
            *before,
            *(sys.executable, "-m", "streams", "up", "--no-training"),
            *("--state-dir", str(state), "-s", "threads=1", "-s", "kafka.session_seconds=6"),
            *("-s", f"shutdown_seconds={_SHUTDOWN_SECONDS}"),
        ]
        with log.open("w") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=output)

    def says(self, words: str) -> bool:
        assert self.process.poll() is None or words in self.log.read_text(), self.log.read_text()
        return words in self.log.read_text()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def broker(self) -> psutil.Process:
        [java] = [child for child in self.children() if child.name() == "java"]
        return java


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Up] = []
    children: list[psutil.Process] = []

    def make(state: Path, *before: str) -> Up:
        started.append(Up(state, tmp_path / f"up-{len(started)}.log", *before))
        return started[-1]

    yield make
    for one in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            children += one.children()
        one.process.kill()
        one.process.wait()
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


@pytest.mark.kafka
@pytest.mark.export
def test_up_survives_its_broker_is_alone_and_goes_on_after_kill_9(house, start: Start, tmp_path):
    state = tmp_path / "state"
    first = start(state)
    wait_until(lambda: first.says("worker-0 is ready"))

    second = start(state)
    assert second.process.wait(180) == 1
    assert f"already runs on {state}, as process {first.process.pid}" in second.log.read_text()

    first.broker().kill()
    wait_until(lambda: first.says("the embedded Kafka ended: SIGKILL"))
    wait_until(lambda: first.says("the embedded Kafka runs again"))
    address = running_address(state / "kafka")
    assert address is not None
    cluster = load().with_broker(address).kafka.cluster()
    feed(cluster, notes(range(3)))
    with FlowReader(cluster) as reader:
        wait_until(lambda: reader.read().stages[0].done == 3)

    children = first.children()
    first.process.kill()
    first.process.wait()
    again = start(state)
    wait_until(lambda: again.says("worker-0 is ready"))
    _, alive = psutil.wait_procs(children, timeout=90)
    assert not alive
    address = running_address(state / "kafka")
    assert address is not None
    with FlowReader(load().with_broker(address).kafka.cluster()) as reader:
        assert reader.read().stages[0].done == 3

    # The broker answers nothing any more: workers cannot commit, nor can it shut down.
    children = again.children()
    again.broker().suspend()
    asked = time.monotonic()
    again.process.terminate()
    # 0 where all of it was in time; on a busy machine the watchdog, or the alarm, ends it.
    assert again.process.wait(180) in (0, 1, -signal.SIGALRM)
    assert time.monotonic() - asked < _SHUTDOWN_SECONDS + 10
    _, alive = psutil.wait_procs(children, timeout=180)
    assert not alive
    assert "Traceback" not in again.log.read_text()


def _can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    mounted = subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False, capture_output=True
    )
    return mounted.returncode == 0


@pytest.mark.kafka
@pytest.mark.export
@pytest.mark.skipif(not _can_mount(), reason="needs the right to mount a small file system")
def test_a_full_disk_under_the_broker_of_up_is_named(house, start: Start, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    script = f"mount -t tmpfs -o size=40m tmpfs {small} && exec "
    up = start(small / "state", "unshare", "-m", "sh", "-c", f'{script} "$@"', "sh")
    wait_until(lambda: up.says("broker at"))
    # Seen through the process, because only it has the file system.
    seen = Path(f"/proc/{up.process.pid}/root{small}")
    with contextlib.suppress(OSError), (seen / "filler").open("wb") as filler:
        while True:
            filler.write(bytes(1 << 16))
            filler.flush()
    assert up.process.wait(540) == 1
    said = up.log.read_text()
    assert "the embedded Kafka ended by itself: the disk is full" in said
    assert "free some space on its disk" in said
    assert "Traceback" not in said
