"""The page: well-formed, escaped, and readable without its plots."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from schemas.errors import BackstreamError
from schemas.records import Example, ExampleOrigin, HumanRating, Provenance, Rating
from schemas.turns import Turn
from streams.cli.main import app
from streams.data.exports import Shape, write_jsonl, write_parquet
from streams.report.content import Named, Report, Stage
from streams.report.figures.comparing import compare, read_report
from streams.report.figures.report import report_of
from streams.report.gathering.exported import gather_exported
from streams.report.gathering.gathered import Gathered, Newest, Refused
from streams.report.page import page
from streams.report.plots import funnel
from tests.unit.streams.report.items import decision, item
from tests.unit.streams.report.test_figures import NOW

_HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\"'\x00\x1b\u202e"
_CHROMIUM = shutil.which("chromium")
_VOID = {"meta", "br", "link", "img", "input", "hr"}


class _Checked(HTMLParser):
    """Collects elements, and fails where one is not closed in its place."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _hostile() -> Report:
    items = [
        item(n, _HOSTILE + str(n), _HOSTILE, score=4 + n / 100, source=_HOSTILE, category=_HOSTILE)
        for n in range(30)
    ]
    items += [item(50 + n, f"Write a <b>{n}</b> poem", score=4.5) for n in range(3)]
    ratings = {one.id: Newest(1, _HOSTILE, one.score or 1.0, 0.9, 0.8) for one in items}
    human = [HumanRating(id="e1", instruction="i", response="r", score=4, rater="ada")]
    refused = (Refused(item(99, _HOSTILE, score=2.0), _HOSTILE),)
    stages = (Stage(stage="segmenter", source="documents", read=9, refused=(
        Named(name=_HOSTILE, count=3),)),)  # fmt: skip
    gathered = Gathered(
        _HOSTILE,
        items,
        True,
        4.0,
        stages,
        ratings,
        human,
        [decision("e1", "drop", by=_HOSTILE)],
        refused,
    )
    return report_of(gathered, NOW, positions=lambda segments: dict.fromkeys(segments, 2))


def _parsed(text: str) -> _Checked:
    checked = _Checked()
    checked.feed(text)
    checked.close()
    assert checked.open == []
    return checked


def test_hostile_texts_stay_texts() -> None:
    report = _hostile()
    text = page(report, compare(report, report))
    checked = _parsed(text)
    scripts = [attributes for tag, attributes in checked.elements if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "backstream-report"}]
    assert not [tag for tag, _ in checked.elements if tag in {"img", "b", "iframe", "object"}]
    names = {name for _, attributes in checked.elements for name in attributes}
    assert not [name for name in names if name.startswith("on") or name == "style"]
    links = {one.get("href") for tag, one in checked.elements if tag == "a"}
    assert all(link and link.startswith("#") for link in links)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", text)


@pytest.mark.skipif(_CHROMIUM is None, reason="there is no chromium on the path")
@pytest.mark.slow
def test_a_browser_finds_no_other_elements(tmp_path: Path) -> None:
    report = _hostile()
    file = tmp_path / "report.html"
    file.write_text(page(report, compare(report, report)), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
    command = [str(_CHROMIUM), *flags, "--dump-dom", file.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    elements = [tag for tag, _ in _parsed(shown).elements]
    assert elements.count("script") == 1
    assert "img" not in elements
    assert elements.count("svg") == file.read_text(encoding="utf-8").count("<svg")


def test_it_loads_nothing() -> None:
    text = page(_hostile())
    assert "default-src 'none'; style-src 'sha256-" in text
    assert not re.search(r"""(src|href|action)=["'](?!#)|url\(|@import""", text)


def test_plots_are_xml_with_a_text_and_a_table() -> None:
    text = page(_hostile())
    plots = re.findall(r'<svg viewBox="[^"]*" role="img".*?</svg>', text, re.DOTALL)
    assert len(plots) >= 10
    for plot in plots:
        label = ElementTree.fromstring(plot).get("aria-label")
        assert label
    figures = re.findall(r"<figure>.*?</figure>", text, re.DOTALL)
    assert len(figures) == len(plots)
    assert all("<figcaption>" in figure and "<table>" in figure for figure in figures)


def test_the_funnel_counts_refusals_and_not_pairs() -> None:
    low = Named(name="low_rating", count=147)
    stage = Stage(stage="curator", source="scored", read=204, refused=(low,))
    plot = funnel(report_of(Gathered("topics", [item(0)], stages=[stage]), NOW))
    assert plot is not None
    assert "Curator read 204 and made 147 refusals." in plot.says
    assert "may have several refusals, and be curated since" in plot.says
    assert ">147 refusals<" in plot.svg


def test_a_part_without_figures_is_left_out() -> None:
    text = page(report_of(Gathered("one", [item(0)]), NOW))
    _parsed(text)
    assert 'id="funnel"' not in text
    assert 'id="novelty"' in text


def test_an_empty_set_has_a_page() -> None:
    text = page(report_of(Gathered("nothing", [], from_stream=True, threshold=4.0), NOW))
    _parsed(text)
    assert "<dd>0</dd>" in text


def test_it_carries_its_data(tmp_path: Path) -> None:
    report = _hostile()
    file = tmp_path / "report.html"
    file.write_bytes(page(report).encode("utf-8", "replace"))
    again = read_report(file)
    assert again.examples == report.examples
    assert again.stages[0].refused[0].count == 3
    file = tmp_path / "report.json"
    file.write_bytes(report.model_dump_json().encode("utf-8", "replace"))
    assert read_report(file).roots == again.roots


@pytest.mark.parametrize(
    "text", ["", "<html></html>", "{}", '{"version": 2}', "[" * 100_000, '{"version": 1']
)
def test_what_is_no_report_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.html"
    file.write_text(text)
    with pytest.raises(BackstreamError, match=r"other\.html"):
        read_report(file)
    with pytest.raises(BackstreamError, match="absent"):
        read_report(tmp_path / "absent.json")


def _report(*arguments: str) -> tuple[int, str]:
    ended = CliRunner().invoke(app, ["report", *arguments])
    return ended.exit_code, str(ended.exception or "") + ended.output


def test_an_exported_file_needs_no_broker(tmp_path: Path) -> None:
    file, first, second = (tmp_path / name for name in ("x.jsonl", "a.html", "b.html"))
    rows = [
        {"id": str(n), "instruction": f"Write poem {n}", "response": "Roses.", "score": 4.5}
        for n in range(3)
    ]
    rows[0]["instruction"] = "Write \ud800 </script>"
    rows.append({"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant",
        "content": "So."}]})  # fmt: skip
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert _report(str(file), "-o", str(first))[0] == 0
    file.write_text("".join(json.dumps(row) + "\n" for row in rows[:2]) + '{"no": 1}\n')
    code, said = _report(str(file), "-o", str(second), "--compare", str(first))
    assert code == 3
    assert "x.jsonl" in said
    assert "not an example" in said
    assert read_report(second).examples == 2
    assert "What changed" in second.read_text()


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize("write", [write_jsonl, write_parquet])
def test_every_shape_of_an_export_is_read(write: Any, shape: Shape, tmp_path: Path) -> None:
    examples = [
        Example(
            id=f"{number:032x}",
            instruction=f"Write poem {number}.",
            context="A list of words." if number else None,
            response="Roses are red.",
            origin=ExampleOrigin.AUGMENTED,
            rating=Rating(
                score=4 + number / 4,
                probabilities=(0, 0, 0, 0, 1),
                release="r",
                template="t",
            ),
            provenance=Provenance(source="docs/a.md", generator="backward"),
            turns=(Turn(role="user", text="Hello?"), Turn(role="assistant", text="Yes."))
            if number
            else (),
        )
        for number in range(3)
    ]
    file = tmp_path / "exported"
    assert write(examples, file, shape) == 3
    gathered, errors = gather_exported(file)
    assert errors == []
    assert [(one.id, one.source, one.score) for one in gathered.items] == [
        (one.id, "docs/a.md", one.rating and one.rating.score) for one in examples
    ]
    assert all(one.instruction.startswith("Write poem") for one in gathered.items)
    assert bool(gathered.items[1].history) is (shape is not Shape.ALPACA)


def test_a_file_without_an_example_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text("nothing\n")
    assert "x.jsonl" in _report(str(file), "-o", str(tmp_path / "r.html"))[1]
    assert not (tmp_path / "r.html").exists()
    assert _report(str(file), "-o", "r.pdf")[0] == 2
    assert _report(str(file), "-o", "r.json", "--compare", "a.json")[0] == 2
