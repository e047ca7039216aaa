"""The demo, shortened: interrupted once, then run to its end on the same state directory."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.integration.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.training]
ROOT = Path(__file__).parents[2]
SHORT = ["--limit", "8", "-s", "curation.threshold=1", "-s", "training.max_tokens=4000"]
SHORT += ["-s", "threads=1", "-s", "training.threads=1"]


def start(state: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "streams", "demo", "--state-dir", str(state), *SHORT]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        umask=0,  # what is private does not rely on that of the user
    )


def worker_of(pid: int) -> psutil.Process | None:
    """The worker that a demo has started, as multiprocessing spawns it."""
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.Error):
            if "--multiprocessing-fork" in child.cmdline():
                return child
    return None


def test_ctrl_c_leaves_nothing_running_and_a_second_run_ends_well(tmp_path, house):
    first = start(tmp_path)
    wait_until(lambda: worker_of(first.pid) is not None, 360)
    children = psutil.Process(first.pid).children(recursive=True)
    os.killpg(first.pid, signal.SIGINT)  # as a terminal does
    _, errors = first.communicate(timeout=360)
    assert first.returncode == 130
    assert "Traceback" not in errors
    # The last to end is multiprocessing's resource tracker.
    _, alive = psutil.wait_procs(children, timeout=180)
    assert not alive

    output, errors = start(tmp_path).communicate(timeout=840)
    assert "every id accounted for" in output, errors
    assert "held-out metric" in output
    assert "loaded and" in output
    rows = [json.loads(line) for line in (tmp_path / "curated.jsonl").read_text().splitlines()]
    assert rows
    assert f"{len(rows):,} curated examples" in output
    written = [tmp_path, *tmp_path.rglob("*")]
    assert {"kafka", "releases", "dataset.sqlite", "trainer.lock"} <= {p.name for p in written}
    assert [path for path in written if path.stat().st_mode & 0o077] == [], "others can use these"
