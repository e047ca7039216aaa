"""Children that do not behave, as real processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from streams.observe.failing import Failing, read_failing
from streams.run import supervisor as supervising
from streams.run.supervisor import Supervisor
from streams.settings import Settings


def _fails_and_stays(settings: Settings, base: Path, on_event: Any, **_: object) -> None:
    threading.Thread(target=time.sleep, args=(1000,)).start()
    raise RuntimeError("broken")


def _ignores_signals(settings: Settings, base: Path, on_event: Any, **_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    on_event({"event": "deaf"})
    time.sleep(1000)


def _poll_until(
    supervisor: Supervisor, reached: Callable[[list[Mapping[str, Any]]], bool]
) -> list[Mapping[str, Any]]:
    events: list[Mapping[str, Any]] = []
    deadline = time.monotonic() + 270
    while not reached(events):
        assert time.monotonic() < deadline, events
        events += supervisor.poll()
        time.sleep(0.05)
    return events


def test_a_child_that_failed_and_does_not_end_is_killed_and_started_again(tmp_path) -> None:
    settings = Settings(shutdown_seconds=1, state_dir=tmp_path)
    supervisor = Supervisor(settings, tmp_path)
    try:
        supervisor._add("worker-0", _fails_and_stays, settings)
        events = _poll_until(supervisor, lambda events: "died" in [e["event"] for e in events])
        assert read_failing(tmp_path) == {"worker-0": "RuntimeError('broken')"}
    finally:
        supervisor.stop()
    assert read_failing(tmp_path) == {}
    assert [event["event"] for event in events] == ["failed", "note", "died"]
    assert events[0]["error"] == "RuntimeError('broken')"
    assert events[1]["text"] == "worker-0 had failed and did not end; it was killed"
    assert events[2]["exit_code"] == -signal.SIGKILL


def test_a_child_that_is_not_ready_is_mentioned_and_one_that_does_not_stop_is_killed(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "_LATE_SECONDS", 0.1)
    settings = Settings(shutdown_seconds=2)
    supervisor = Supervisor(settings, tmp_path)
    try:
        process = supervisor._add("worker-0", _ignores_signals, settings, becomes_ready=True)
        events = _poll_until(supervisor, lambda events: "deaf" in [e["event"] for e in events])
    finally:
        supervisor.stop()
    assert process.exitcode == -signal.SIGKILL
    assert "worker-0 is not ready" in events[0]["text"]


def _fails_once(settings: Settings, base: Path, on_event: Any, **_: object) -> None:
    mark = base / "failed"
    if not mark.exists():
        mark.touch()
        raise RuntimeError("broken")
    on_event({"event": "page", "url": "http://127.0.0.1"})
    time.sleep(1000)


def test_a_process_that_works_again_does_not_fail_any_more(tmp_path) -> None:
    settings = Settings(shutdown_seconds=1, state_dir=tmp_path)
    supervisor = Supervisor(settings, tmp_path)
    try:
        supervisor._add("page", _fails_once, settings)
        _poll_until(supervisor, lambda events: "died" in [e["event"] for e in events])
        assert read_failing(tmp_path)
        _poll_until(supervisor, lambda events: "page" in [e["event"] for e in events])
        assert read_failing(tmp_path) == {}
    finally:
        supervisor.stop()


def test_what_a_supervisor_that_is_gone_has_written_does_not_count(tmp_path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    Failing(tmp_path).note("page", "it is taken")
    assert read_failing(tmp_path) == {"page": "it is taken"}
    file = tmp_path / "failing.json"
    file.write_text(file.read_text().replace(str(os.getpid()), str(gone.pid)))
    assert read_failing(tmp_path) == {}
    file.write_text("[]")
    assert read_failing(tmp_path) == {}
