"""Examples for reports."""

from typing import Any

from schemas.records import Candidate, Decision, Provenance
from schemas.ruling import Action, Ruling
from streams.report.gathering.item import Item, make_item


def item(number: int, instruction: str = "", response: str = "So it is.", **parts: Any) -> Item:
    """An example with an id of its own."""
    made = Provenance(
        source=parts.pop("source", "docs/a.md"),
        document_id=f"d{number // 4}",
        segment_id=f"s{number}",
        headings=("Guide", "Install"),
        language=parts.pop("language", "en"),
    )
    asked = instruction or f"Explain item {number} of the catalogue number {number * 7}."
    return make_item(f"e{number}", asked, parts.pop("context", None), response, (), made, **parts)


def decision(id: str, action: Action, by: str = "ada") -> Decision:
    """A person's decision about a pair."""
    candidate = Candidate(id=id, instruction="Why?", response="So.", provenance=Provenance())
    return Decision(candidate=candidate, ruling=Ruling(action=action, by=by, at=1000.0))
