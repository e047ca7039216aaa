"""One ``up`` for each state directory."""

import os
import signal
import subprocess
import sys

import pytest

from schemas.errors import SettingsError
from streams.run.state_lock import only_one

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
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    with only_one(state):
        assert (state / "up.lock").read_text() == f"{os.getpid()}\n"
    with only_one(state):
        pass
