"""``backstream up`` as a user runs it: with a Kafka of their own, and beside the other commands."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from streams.observe.lag import FlowReader
from tests.integration.conftest import passage, wait_until_idle

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
    _, alive = psutil.wait_procs(children, timeout=180)
    assert not alive
    assert not (state / "kafka").exists()
    with FlowReader(settings.kafka.cluster()) as reader:
        assert reader.read().messages["documents"] == 1, "the broker outlives us"
