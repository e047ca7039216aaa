"""How ``rate`` shows a pair."""

import pytest
from rich.cells import cell_len

from schemas.records import Candidate, Provenance, Rating, Scored
from streams.cli import rating_session


def _pair(response: str) -> Scored:
    rating = Rating(score=4.0, probabilities=(0, 0, 0, 1, 0), release="r", template="t")
    candidate = Candidate(id="e1", instruction="Why?", response=response, provenance=Provenance())
    return Scored(candidate=candidate, rating=rating)


@pytest.mark.parametrize("word", ["word ", "数据库", "é", "🙂", "a\t"])
def test_a_pair_fits_on_the_screen(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    shown = rating_session._on_screen(_pair(word * 2000))
    lines = shown.splitlines()
    assert len(lines) <= 24 - rating_session._AROUND
    assert all(cell_len(line) <= 80 for line in lines)
    assert "more lines: w" in lines[-1]


def test_a_pair_steers_no_terminal_and_hides_nothing() -> None:
    shown = rating_session._on_screen(_pair("a\x1b[31mred\u202eder\u2066x\u200by"))
    assert shown.endswith("a[31mred\ufffdder\ufffdx\ufffdy")
