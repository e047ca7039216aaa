"""``segment``: passages, and with ``--explain`` what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.cli.main import app
from tests.unit.agents.test_segmenter import prose


def lines(*arguments: str) -> tuple[list[dict[str, Any]], str]:
    run = CliRunner().invoke(app, ["segment", *arguments], catch_exceptions=False)
    assert run.exit_code == 0
    return [json.loads(line) for line in run.stdout.splitlines()], run.stderr


def test_explain_prints_each_refused_passage_with_its_text_and_reason(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    kept, notice, short = prose(700), prose(700, 1), "Too little."
    page.write_text(f"# A\n\n{kept}\n\n# Privacy policy\n\n{notice}\n\n# B\n\n{short}\n")
    passages, summary = lines(str(page))
    assert [passage["text"] for passage in passages] == [kept]
    assert "1 passage; refused: 1 navigation, 1 too_short" in summary
    explained, summary_too = lines(str(page), "--explain")
    assert summary_too == summary
    assert explained[0] == {"verdict": "passed_on", **passages[0]}
    assert [one["verdict"] for one in explained] == ["passed_on", "refused", "refused"]
    assert [
        (one["source"], one["headings"], one["text"], one["reason"]) for one in explained[1:]
    ] == [
        (str(page), ["Privacy policy"], notice, "navigation"),
        (str(page), ["B"], short, "too_short"),
    ]
    assert explained[1]["detail"] == "under the heading 'Privacy policy'"


def test_every_row_is_written_alike(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Übung\n\n{prose(700)}\n\n# Ähnlich\n\nZu kurz.\n")
    run = CliRunner().invoke(app, ["segment", str(page), "--explain"], catch_exceptions=False)
    for line in run.stdout.splitlines():
        assert line == json.dumps(json.loads(line), ensure_ascii=False, separators=(",", ":"))
    assert len(run.stdout.splitlines()) == 2


def test_globs_choose_the_files(tmp_path: Path) -> None:
    for number, name in enumerate(("a.md", "b.txt", "changelog.md")):
        (tmp_path / name).write_text(prose(700, number))
    passages, summary = lines(str(tmp_path), "--include", "*.md", "--exclude", "changelog*")
    assert [Path(passage["source"]).name for passage in passages] == ["a.md"]
    assert "2 passed over: " in summary
    assert "excluded by changelog*" in summary


def test_what_was_cut_so_far_is_told_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.progress.at_intervals", lambda report: report)
    for number in range(2):
        (tmp_path / f"{number}.md").write_text(prose(700, number))
    passages, summary = lines(str(tmp_path))
    assert len(passages) == 2
    assert "so far: 1 passage, 0 refused" in summary
    assert "so far: 2 passages, 0 refused" in summary
