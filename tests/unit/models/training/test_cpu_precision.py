"""Which precision training takes on a CPU. The child process is real; its program is the test's."""

import os
import stat
import sys
from pathlib import Path

import pytest

from models.training.cpu_precision import CpuPrecision, find_cpu_precision

_FAST = '{"ratio": 2.3, "difference": 0.004}'
_SLOW = '{"ratio": 0.8, "difference": 0.004}'
_WRONG = '{"ratio": 2.3, "difference": 0.4}'
_CRASH = "kill -ILL $$"


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint of which only the size is real."""
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    with open(tmp_path / "model.safetensors", "wb") as weights:
        weights.truncate(300_000_000)  # a hole: no disk is used
    return tmp_path


def _python(directory: Path, monkeypatch: pytest.MonkeyPatch, with_amx: str, without: str) -> None:
    """An interpreter that runs one command where AMX may be used, and another where not."""
    script = directory / "python"
    script.write_text(
        f'#!/bin/sh\nif [ -z "$ONEDNN_MAX_CPU_ISA" ]; then {with_amx}; else {without}; fi\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(script))


@pytest.mark.parametrize(
    ("with_amx", "without", "bf16", "amx", "reason"),
    [
        (f"echo '{_FAST}'", _CRASH, True, True, "bf16 is 2.3 times as fast as fp32"),
        (_CRASH, f"echo '{_FAST}'", True, False, "bf16 is 2.3 times as fast as fp32"),
        (_CRASH, f"echo '{_SLOW}'", False, False, "code -4; bf16 is 0.80 times"),
        (f"echo '{_WRONG}'", f"echo '{_WRONG}'", False, False, "bf16 gradients differ by 40.0%"),
        ("exit 1", "exit 1", False, False, "bf16 products ended a process with code 1"),
    ],
)
def test_it_is_decided_by_what_happens(
    large: Path,
    monkeypatch: pytest.MonkeyPatch,
    with_amx: str,
    without: str,
    bf16: bool,
    amx: bool,
    reason: str,
) -> None:
    _python(large, monkeypatch, with_amx, without)
    found = find_cpu_precision(large, 1)
    assert (found.bf16, found.amx) == (bf16, amx)
    assert reason in found.reason


def test_a_small_model_is_not_worth_a_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    (tmp_path / "model.safetensors").write_bytes(bytes(1000))
    assert not find_cpu_precision(tmp_path, 1).bf16


def test_a_limit_of_the_user_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    CpuPrecision(False, False, "").apply(os.environ)
    assert os.environ["ONEDNN_MAX_CPU_ISA"] == "AVX2"


def test_the_measurement_runs_on_this_machine(large: Path) -> None:
    found = find_cpu_precision(large, 1)
    assert found.name in ("bf16", "fp32")
    assert "fp32" in found.reason or "code" in found.reason
