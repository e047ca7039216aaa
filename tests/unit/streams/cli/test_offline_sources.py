"""What ``segment`` says of its sources, and its exit codes."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streams.cli.main import app
from tests.integration.conftest import passage


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a passage; the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text(passage(5), encoding="utf-8")
    return tmp_path / "docs"


def _segment(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["segment", *arguments])


def test_everything_read_is_0_and_what_is_passed_over_is_named(directory: Path) -> None:
    (directory / "logo.png").write_bytes(b"\x89PNG")
    (directory / ".hidden").write_text("x")
    done = _segment("docs")
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 1
    assert "passed over docs/logo.png: .png file" in done.stderr
    assert "2 passed over: 1 hidden file, 1 .png file" in done.stderr


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("b.txt", "déjà vu".encode("latin-1"), "docs/b.txt: not UTF-8"),
        ("b.md", b"%PDF-1.7", "docs/b.md: a PDF file"),
        ("b.jsonl", b'{"text": "a"', "docs/b.jsonl#1: not JSON"),
    ],
)
def test_something_unread_is_3_and_the_rest_is_cut(
    directory: Path, name: str, data: bytes, says: str
) -> None:
    (directory / name).write_bytes(data)
    done = _segment("docs")
    assert done.exit_code == 3
    assert len(done.stdout.splitlines()) == 1
    assert says in done.stderr
    assert "1 could not be read" in done.stderr


def test_replaced_characters_are_counted(directory: Path) -> None:
    (directory / "a.txt").write_bytes(passage(5).encode() + b" caf\xe9")
    done = _segment("docs/a.txt")
    assert done.exit_code == 0
    assert "1 character could not be decoded; U+FFFD stands instead, in docs/a.txt" in done.stderr


def test_the_column_of_the_text_can_be_named(directory: Path) -> None:
    rows = json.dumps({"passage": passage(5), "text": "not this"})
    (directory / "rows.jsonl").write_text(rows, encoding="utf-8")
    done = _segment("docs/rows.jsonl", "--text-column", "passage")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["source"] == "docs/rows.jsonl#1"
    missing = _segment("docs/rows.jsonl", "--text-column", "nothing")
    assert missing.exit_code == 1
    assert "--text-column" in missing.stderr


def test_a_name_that_is_not_utf_8_is_printed(directory: Path) -> None:
    (directory / "a.txt").rename(directory / os.fsdecode(b"\xe9.txt"))
    (directory / os.fsdecode(b"\xe9.png")).write_bytes(b"")
    done = _segment("docs")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["source"] == r"docs/\xe9.txt"
    assert r"docs/\xe9.png" in done.stderr
