"""The benchmark of passages: its tables."""

import sys
from pathlib import Path

import pytest

from bench import passages
from tests.unit.agents.test_segmenter import prose


def test_it_counts_what_is_kept_and_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, refused = prose(800), prose(800, 1)
    (tmp_path / "a.md").write_text(f"# A\n\n{kept}\n\n# Privacy policy\n\n{refused}\n")
    (tmp_path / "changelog.md").write_text("# A\n\ntoo little\n")
    options = [str(tmp_path), "--exclude", "changelog*", "--hostile", "40", "--megabytes", "0.01"]
    monkeypatch.setattr(sys, "argv", ["bench.passages", *options])
    passages.main()
    shown = capsys.readouterr().out
    share = len(kept) / (len(kept) + len(refused))
    assert "| documents | MB | MB/s | passages kept | kept | navigation |" in shown
    assert f"| {tmp_path.name} (1) | 0.0 | " in shown
    assert f" | 1 | {share:.1%} | {1 - share:.1%} |" in shown
    assert "Resident memory after each 0 MB: " in shown
    assert all(f"| {name} | " in shown for name in passages.HOSTILE)
