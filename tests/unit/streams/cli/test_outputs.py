"""A command does not write to a file that it reads."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.cli.main import app

_ROOT = Path(__file__).parents[4]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to work in, with files that commands may read."""
    monkeypatch.chdir(tmp_path)
    for name in ("set.json", "report.html", "prompts.jsonl", "words.jsonl", "pairs.json"):
        (tmp_path / name).write_text("{}\n")
    (tmp_path / "link.json").symlink_to("set.json")
    os.link(tmp_path / "set.json", tmp_path / "hard.json")
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "report set.json -o set.json",
        "report set.json -o ./link.json",
        "report set.json -o hard.json",
        "report set.json --compare report.html",
        "report -o report.html --compare report.html",
        "export -o prompts.jsonl -s prompts=prompts.jsonl",
        "export -o words.jsonl -s curation.benchmarks=[set.json,words.jsonl]",
        "export -o words.jsonl --follow -s curation.toxic_words=words.jsonl",
        "report -o set.json --config set.json",
        "review export --for argilla -o pairs.json --config pairs.json",
    ],
)
def test_an_output_that_is_read_is_refused_and_stays_as_it_is(command: str, files: Path) -> None:
    before = {path: path.read_bytes() for path in files.iterdir()}
    refused: Any = CliRunner().invoke(app, command.split())
    assert refused.exit_code == 2, refused.output
    assert "is read by this command" in " ".join(refused.output.split())
    assert {path: path.read_bytes() for path in files.iterdir()} == before


def test_passages_are_not_cut_from_the_file_that_they_are_printed_to(tmp_path: Path) -> None:
    text = (_ROOT / "docs" / "intake.md").read_text()
    (tmp_path / "a.md").write_text(text)
    output = tmp_path / "b.txt"
    output.write_text(text)
    with output.open("ab") as opened:
        done = subprocess.run(
            [sys.executable, "-m", "streams", "segment", str(tmp_path)],
            cwd=_ROOT,
            stdout=opened,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 3
    assert "b.txt: not read, because the output of this command goes to it" in done.stderr
    printed = output.read_text().removeprefix(text).splitlines()
    assert {Path(json.loads(line)["source"]).name for line in printed} == {"a.md"}
