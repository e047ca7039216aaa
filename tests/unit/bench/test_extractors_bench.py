"""The benchmark of extractors: units, marks and scores."""

import gzip
import hashlib
import json
import sys
from pathlib import Path

import pytest

from bench import extractors
from bench.extractors import Page, numbers, score, units
from tests.unit.agents.test_segmenter import prose

HTML = f"<title>no</title><nav><a href=x>Home</a></nav><h1>A lock</h1><p>{prose(700)}<br>The end"


def test_units_are_between_borders_of_blocks() -> None:
    assert units(HTML) == ["Home", "A lock", prose(700), "The end"]
    assert units("<p>a <b>b</b><i>c</i><script>no</script> d</p>* * *<table><td>e<td>f") == [
        "a bc d",
        "e",
        "f",
    ]


def test_spans() -> None:
    assert numbers("3-5 9") == {3, 4, 5, 9}
    assert numbers("") == set()


def test_a_score_weighs_units_by_their_characters() -> None:
    page = Page("blog", "s", "p", "", "1-2", "3")
    found = score(page, units(HTML), f"Home {prose(700)}")
    assert found.precision == pytest.approx(700 / 704, abs=0.02)
    assert found.recall == pytest.approx(700 / 706, abs=0.02)
    assert score(page, units(HTML), "").f1 == 0.0


def test_every_mark_is_of_a_kind_and_in_order() -> None:
    pages = extractors.marked()
    assert {page.kind for page in pages} == {"manual", "blog", "wiki", "asp"}
    for page in pages:
        assert len(page.digest) == 16
        assert numbers(page.kept)
        assert not numbers(page.kept) & numbers(page.either)


def test_it_prints_a_row_for_each_extractor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pages, articles = tmp_path / "pages", tmp_path / "articles"
    (pages / "s").mkdir(parents=True)
    (pages / "s" / "a.html").write_text(HTML)
    digest = hashlib.sha256(HTML.encode()).hexdigest()[:16]
    marks = tmp_path / "marks.tsv"
    marks.write_text(f"# comment\nblog\ts\ta.html\t{digest}\t1-3\t\nblog\ts\tb.html\t0\t1\t\n")
    (articles / "html").mkdir(parents=True)
    (articles / "html" / "a.html.gz").write_bytes(gzip.compress(HTML.encode()))
    (articles / "ground-truth.json").write_text(json.dumps({"a": {"articleBody": prose(700)}}))
    monkeypatch.setattr(extractors, "MARKS", marks)
    monkeypatch.setattr(
        sys, "argv", ["bench.extractors", str(pages), "--articles", str(articles), "--each"]
    )
    extractors.main()
    shown = capsys.readouterr().out
    assert "left out, missing: " in shown
    assert "| F1 (precision, recall) | blog (1) | articles (1) |" in shown
    assert "| ours | 1.000 (1.00, 1.00) | " in shown
    assert "blog s/a.html: all text " in shown
