"""``estimate``: what is counted, what is sampled, and what the figures are of."""

import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas.errors import SettingsError, SourceError
from schemas.ids import segment_id
from schemas.records import Rejection, Segment
from streams.cli.estimate_report import as_report, as_text
from streams.cli.main import app
from streams.observe.estimate import Passages, RunOfAgents, run_agents
from streams.settings import Settings

_PASSAGE = """\
# {title}

The {title} command copies files from one directory to another. It reads each file once, and writes
it under the same name. If a file of that name exists, the command asks before it writes over it.
With the option --force it does not ask. Links are copied as links, unless the option --follow is
given. The command ends with 0 where every file was copied, and with 1 where one of them could not
be read. Copying the {title} directory into itself is refused, because it would never end. To see
what would be copied without copying it, give the option --dry-run, which prints the names only.
"""


def _segment(number: int) -> Segment:
    text = f"Passage {number}."
    return Segment(id=segment_id(text), document_id="d", source="s", position=number, text=text)


def test_a_sample_is_the_same_in_whatever_order_passages_come() -> None:
    segments = [_segment(number) for number in range(50)]
    one, other = Passages(8), Passages(8)
    for segment in segments:
        one.add(segment)
    for segment in [*reversed(segments), *segments]:
        other.add(segment)
    assert one.sample == other.sample == sorted(segments, key=lambda each: each.id)[:8]
    assert one.total == other.total == 50


def test_what_is_refused_or_unread_is_counted() -> None:
    found = Passages(2)
    found.add(Rejection(id="r", stage="segmenter", reason="too_short", count=3))
    found.add(SourceError("a.pdf: it is encrypted"))
    assert (found.total, found.sample) == (0, [])
    assert found.refused == {"too_short": 3}
    assert found.unread == ["a.pdf: it is encrypted"]


def test_no_passage_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no passage"):
        run_agents(Settings(), tmp_path, [])


def test_the_report_scales_the_sample_to_all_passages() -> None:
    passages = Passages(1)
    for number in range(1000):
        passages.add(_segment(number))
    run = RunOfAgents(20, 10.0, (0.5, 0.3, 0.7), Counter(below_threshold=10), "cpu")
    report = as_report(passages, run)
    assert report["examples"] == [500, 300, 700]
    assert (report["passages_per_second"], report["seconds"]) == (2.0, 500.0)
    text = as_text(passages, run)
    assert "about 500 (300 to 700): 50% of the passages" in text
    assert "about 8.33 min" in text
    assert "10 below_threshold" in text


def test_the_command_runs_the_agents(tmp_path: Path) -> None:
    for title in ("cpy", "mover", "linker"):
        (tmp_path / f"{title}.md").write_text(_PASSAGE.format(title=title), encoding="utf-8")
    (tmp_path / "broken.jsonl").write_text("{\n", encoding="utf-8")
    arguments = ["estimate", str(tmp_path), "--sample", "2", "--json"]
    result = CliRunner().invoke(app, [*arguments, "-s", "segments.min_characters=300"])
    assert result.exit_code == 3, result.output
    assert result.stderr.endswith("1 input could not be read\n")
    found = json.loads(result.stdout)
    assert (found["passages"], found["sample"], found["device"]) == (3, 2, "cpu")
    assert found["passages_per_second"] > 0
    low, high = found["kept_share"][1:]
    assert 0 <= low <= found["kept_share"][0] <= high <= 1
