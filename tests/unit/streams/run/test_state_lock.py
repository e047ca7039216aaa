"""One ``up`` for each state directory."""

import fcntl
import os
import signal
import subprocess
import sys
import threading

import pytest

from schemas.errors import SettingsError
from streams.run.state_lock import holder, only_one

_HOLD = """
import sys, time
from pathlib import Path
from streams.run.state_lock import only_one
with only_one(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(100)
"""


def test_a_second_one_is_refused_with_the_process_id_of_the_first_until_that_is_killed(tmp_path):
    state = tmp_path / "new" / "state"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(state)], stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with (
            pytest.raises(SettingsError, match=rf"as process {first.pid}: stop it"),
            only_one(state),
        ):
            pass
        assert holder(state) == str(first.pid)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    assert holder(state) is None
    with only_one(state):
        assert (state / "up.lock").read_text() == f"{os.getpid()}\n"
    with only_one(state):
        pass


def test_nobody_holds_what_is_not_there(tmp_path):
    assert holder(tmp_path / "missing") is None
    assert holder(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_one_that_looks_at_the_lock_keeps_nobody_from_taking_it(tmp_path):
    with only_one(tmp_path):
        pass
    with (tmp_path / "up.lock").open() as looked:
        fcntl.flock(looked, fcntl.LOCK_SH)
        looking = threading.Timer(0.05, looked.close)
        looking.start()
        with only_one(tmp_path):
            pass
        looking.join()
