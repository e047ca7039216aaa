"""``make gpu`` skips by name where there is no GPU; its sections run on a CPU, on small sizes."""

import sys
from pathlib import Path

import pytest

from bench.gpu import exactness, sampling
from bench.gpu.__main__ import main


def test_it_says_so_where_there_is_no_gpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.gpu.__main__.cuda_problem", lambda: "no NVIDIA driver was found")
    monkeypatch.setattr("bench.gpu.__main__.has_driver", lambda: False)
    monkeypatch.setattr(sys, "argv", ["bench.gpu"])
    assert main() == 0
    assert capsys.readouterr().out == (
        "skipped: no GPU can be used here: no NVIDIA driver was found\n"
    )


def test_what_is_checked_on_a_gpu_holds_on_a_cpu(tmp_path: Path) -> None:
    rows = [
        *exactness.measure(tmp_path / "exactness", "cpu", (), 2),
        *sampling.measure(tmp_path / "sampling", "cpu", 500, 3),
    ]
    assert len([row for row in rows if row.target]) >= 8
    assert [row.label for row in rows if not row.met] == []
