"""``backstream up`` as a user runs it: with a Kafka of their own, and beside the other commands."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from streams.observe.lag import FlowReader
from tests.integration.conftest import passage, wait_until_idle
from tests.integration.waiting import wait_until

ROOT = Path(__file__).parents[2]


def test_up_with_a_broker_of_ones_own_starts_none_and_leaves_it_running(settings, house, tmp_path):
    address = settings.kafka.bootstrap_servers
    state = tmp_path / "ours"
    common = [sys.executable, "-m", "streams"]
    options = ["--broker", address, "--state-dir", str(state), "-s", "curation.threshold=1"]
    up = subprocess.Popen(
        [*common, "up", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        (tmp_path / "note.txt").write_text(passage(3))
        fed = subprocess.run(
            [*common, "feed", str(tmp_path / "note.txt"), *options[:4]],
            cwd=ROOT,
            check=False,
            timeout=360,
        )
        assert fed.returncode == 0
        assert wait_until_idle(settings, 1).messages["segments"] == 1
        children = psutil.Process(up.pid).children(recursive=True)
        os.killpg(up.pid, signal.SIGINT)
        _, errors = up.communicate(timeout=360)
    finally:
        up.kill()
    assert up.returncode == 0, errors
    assert "Traceback" not in errors
    assert "worker-0 loads house-" in errors
    assert "stopping: what is in flight is finished first; Ctrl-C again stops at once" in errors
    assert errors.splitlines()[-1] == (
        f"stopped; the topics are on {address}, the releases in {state}; the same command "
        "continues from there"
    )
    _, alive = psutil.wait_procs(children, timeout=180)
    assert not alive
    assert not (state / "kafka").exists()
    with FlowReader(settings.kafka.cluster()) as reader:
        assert reader.read().messages["documents"] == 1, "the broker outlives us"


def test_a_second_ctrl_c_stops_up_at_once(settings, house, tmp_path):
    address = settings.kafka.bootstrap_servers
    command = [sys.executable, "-m", "streams", "up", "--no-training", "--broker", address]
    up = subprocess.Popen(
        [*command, "--state-dir", str(tmp_path / "ours")],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert up.stderr is not None
        lines = iter(up.stderr.readline, "")
        next(line for line in lines if "worker-0 loads" in line)
        children = psutil.Process(up.pid).children(recursive=True)
        (worker,) = (one for one in children if "--multiprocessing-fork" in one.cmdline())
        worker.suspend()  # it does not end by itself
        os.killpg(up.pid, signal.SIGINT)
        next(line for line in lines if "stopping: " in line)
        os.killpg(up.pid, signal.SIGINT)
        errors = "".join(lines)
        assert up.wait(180) == 130
    finally:
        up.kill()
        up.communicate()
    said = "stopped at once; what was in flight is processed again after the next start"
    assert errors.splitlines()[-1] == said
    _, alive = psutil.wait_procs(children, timeout=180)
    assert not alive


def test_ctrl_c_while_kafka_formats_its_directory_stops_up(house, tmp_path):
    up = subprocess.Popen(
        [sys.executable, "-m", "streams", "up", "--state-dir", str(tmp_path / "ours")],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )

    def formats() -> bool:
        children = psutil.Process(up.pid).children()
        with contextlib.suppress(psutil.Error):
            return any("kafka.tools.StorageTool" in one.cmdline() for one in children)
        return False

    try:
        wait_until(formats, 360)
        os.killpg(up.pid, signal.SIGINT)  # as a terminal does
        _, errors = up.communicate(timeout=360)
    finally:
        up.kill()
    assert up.returncode == 130, errors
    assert errors.splitlines()[-1] == "stopped before Kafka had started"
