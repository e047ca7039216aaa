"""The demo itself, shortened; interrupted once, then run to its end on the same state directory."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
SHORT = ["--limit", "8", "-s", "curation.threshold=1", "-s", "training.max_tokens=4000"]


def start(state: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "streams", "demo", "--state-dir", str(state), *SHORT]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_ctrl_c_leaves_nothing_running_and_a_second_run_ends_well(tmp_path, house):
    first = start(tmp_path)
    deadline = time.monotonic() + 120
    while not (tmp_path / "kafka" / "broker.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(2)
    children = psutil.Process(first.pid).children(recursive=True)
    assert children
    os.killpg(first.pid, signal.SIGINT)  # as a terminal does
    _, errors = first.communicate(timeout=120)
    assert first.returncode == 130
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(
        children, timeout=10
    )  # the last to go is multiprocessing's own tracker
    assert not alive

    output, errors = start(tmp_path).communicate(timeout=280)
    assert "every id accounted for" in output, errors
    assert "held-out figure" in output
    assert "loaded and" in output
    rows = [json.loads(line) for line in (tmp_path / "curated.jsonl").read_text().splitlines()]
    assert rows
    assert f"{len(rows):,} curated examples" in output
