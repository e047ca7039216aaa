"""Directories that appear whole or not at all."""

from pathlib import Path

import pytest

from models.atomic_file import atomic_directory


def test_what_an_earlier_process_left_is_removed_and_not_written_to_again(tmp_path: Path) -> None:
    made, left = tmp_path / "r[1]", tmp_path / ".r[1].partial"
    left.mkdir()
    with atomic_directory(made) as partial:
        assert not left.exists()
        assert partial != left
        (partial / "new").write_text("new", encoding="utf-8")
        left.mkdir()  # a child of the earlier process goes on
        (left / "old").write_text("old", encoding="utf-8")
    assert [path.name for path in made.iterdir()] == ["new"]


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_directory(tmp_path / "one") as partial:
        (partial / "folder" / "file").touch()
    assert not [*tmp_path.iterdir()]
