"""The exit codes of commands that take in many things."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from streams.cli.exit_codes import end
from streams.cli.main import app
from tests.integration.conftest import passage


@pytest.mark.parametrize(("done", "left_out", "code"), [(3, 2, 3), (0, 2, 1), (0, 0, 1)])
def test_a_part_that_was_done_has_a_code_of_its_own(done: int, left_out: int, code: int) -> None:
    with pytest.raises(typer.Exit) as ended:
        end(done, left_out)
    assert ended.value.exit_code == code
    end(3, 0)


@pytest.mark.parametrize(
    ("names", "code", "last"),
    [
        ("a.txt", 0, "1 passage; refused: none"),
        ("a.txt broken.jsonl", 3, "1 passage; refused: none; 1 could not be read"),
        ("broken.jsonl", 1, "0 passages; refused: none; 1 could not be read"),
        ("short.txt", 1, "0 passages; refused: 1 too_short"),
    ],
)
def test_segment_tells_by_its_code_and_its_last_line_what_was_left_out(
    names: str, code: int, last: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text(passage(5))
    Path("short.txt").write_text("Too little.")
    Path("broken.jsonl").write_text("{\n")
    ran = CliRunner().invoke(app, ["segment", *names.split()])
    assert ran.exit_code == code
    assert ran.stderr.splitlines()[-1] == last


def test_a_report_of_a_file_counts_the_rows_that_are_no_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    row = {"id": "e1", "instruction": "Why?", "response": "Because.", "source": "a", "score": 4.5}
    Path("some.jsonl").write_text(json.dumps(row) + "\n{broken\n")
    ran = CliRunner().invoke(app, ["report", "some.jsonl"])
    assert ran.exit_code == 3, ran.output
    said = "1 example, described in report.html; 1 row could not be read"
    assert ran.stdout.splitlines()[-1] == said
