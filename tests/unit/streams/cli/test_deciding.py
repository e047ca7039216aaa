"""The texts of a pair in an editor."""

import pytest
import typer

from schemas.records import Candidate, Provenance
from streams.cli import deciding


def test_a_text_that_has_the_headings_in_it_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    response = "first\n--- response ---\nsecond\n---- context ----\nthird"
    pair = Candidate(id="e1", instruction="Explain.", response=response, provenance=Provenance())
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(deciding, "edited", lambda text: text)
    with pytest.raises(typer.Exit):  # nothing was changed
        deciding.edited_in_editor(pair)
    monkeypatch.setattr(deciding, "edited", lambda text: text.replace("Explain.", "Describe."))
    after = deciding.edited_in_editor(pair)
    assert after == {"instruction": "Describe.", "context": "", "response": response}
