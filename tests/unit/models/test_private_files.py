"""What is created is private, and what is open is closed or named."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.private_files import private_directory, private_umask


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    """As a careless user has it."""
    before = os.umask(0)
    yield
    os.umask(before)


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_directories_are_made_private_with_those_above(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "a" / "b"
    for _ in range(2):
        private_directory(directory)
        assert _mode(directory) == _mode(directory.parent) == 0o700
    assert caplog.messages == []


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o777, 0o701])
def test_an_open_directory_is_closed_and_named(
    tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "state"
    directory.mkdir(mode)
    with caplog.at_level(logging.WARNING):
        private_directory(directory)
        private_directory(directory)
    assert _mode(directory) == 0o700
    assert caplog.messages == [
        f"{directory} could be used by other users (mode {mode:04o}); now it cannot"
    ]


def test_a_directory_as_tmp_is_left_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "tmp"
    directory.mkdir()
    directory.chmod(0o1777)
    with caplog.at_level(logging.WARNING):
        private_directory(directory)
    assert _mode(directory) == 0o1777
    (message,) = caplog.messages
    assert f"{directory} can be used by other users (mode 1777" in message


def test_a_directory_of_another_user_is_left_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "theirs"
    directory.mkdir(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: directory.stat().st_uid + 1)
    with caplog.at_level(logging.WARNING):
        private_directory(directory)
    assert _mode(directory) == 0o755
    assert len(caplog.messages) == 1


def test_files_are_private_while_the_block_runs(tmp_path: Path) -> None:
    with private_umask():
        (tmp_path / "inside").touch()
        (tmp_path / "folder").mkdir()
    (tmp_path / "outside").touch()
    modes = [_mode(tmp_path / name) for name in ("inside", "folder", "outside")]
    assert modes == [0o600, 0o700, 0o666]
