"""Children that do not behave, as real processes."""

import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

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
    settings = Settings(shutdown_seconds=1)
    supervisor = Supervisor(settings, tmp_path)
    try:
        supervisor._add("worker-0", _fails_and_stays, settings)
        events = _poll_until(supervisor, lambda events: "died" in [e["event"] for e in events])
    finally:
        supervisor.stop()
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
