"""``config show``: each value, and where it is from."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli.main import app
from streams.settings import Settings, load

_FILE = """
kafka:
  sasl_password: hush-hush
  topics:
    documents: {partitions: 8}
curation:
  threshold: 4.2
  novelty: 0.9
"""


def _show(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["config", "show", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BACKSTREAM_CURATION__NOVELTY", "0.6")
    file = tmp_path / "mine.yaml"
    file.write_text(_FILE, encoding="utf-8")
    return file


def test_the_last_source_that_states_a_value_is_its_origin(file: Path) -> None:
    shown = json.loads(
        _show("--json", "-c", str(file), "-s", "kafka.group=ours", "--device", "cpu", "--changed")
    )
    assert {one["key"]: (one["value"], one["origin"]) for one in shown} == {
        "device": ("cpu", "flag"),
        "kafka.group": ("ours", "--set"),
        "kafka.sasl_password": ("**********", f"file {file}"),
        "kafka.topics.documents.partitions": (8, f"file {file}"),
        "curation.threshold": (4.2, f"file {file}"),
        "curation.novelty": (0.6, "environment"),
    }


def test_a_secret_is_never_shown(file: Path) -> None:
    for arguments in ((), ("--origin",), ("--json",), ("--changed",)):
        assert "hush" not in _show("-c", str(file), *arguments)


def test_what_it_shows_is_a_settings_file(tmp_path: Path) -> None:
    shown = _show(
        "--origin",
        "-s",
        "generation.openings={What: 1, 日: 2}",
        "-s",
        "segments.max_characters=900",
    )
    file = tmp_path / "shown.yaml"
    file.write_text(shown, encoding="utf-8")
    assert "max_characters: 900  # --set" in shown
    assert load(file).segments.max_characters == 900
    assert load(file).generation.openings == {"What": 1, "日": 2}
    assert load(file).curation == Settings().curation
