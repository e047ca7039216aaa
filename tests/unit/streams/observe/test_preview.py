"""The passages that a preview shows beside what the segmenter says of them."""

import asyncio

from agents.segmenter import Segmenter
from schemas.records import Document, Rejection
from streams.observe.preview import refused_text

_LONG = "Water boils at a lower temperature on a mountain, since the air is thinner there. " * 12


def _refused(text: str) -> dict[str, str]:
    """By reason, the text that is shown for each rejection of a document in Markdown."""
    document = Document(id="d", source="d.md", text=text, media_type="text/markdown")
    segmenter = Segmenter()
    return {
        outcome.reason: refused_text(segmenter, document, outcome)
        for outcome in asyncio.run(segmenter.handle(document))
        if isinstance(outcome, Rejection)
    }


def test_a_refused_passage_is_shown_and_of_short_ones_the_longest() -> None:
    shown = _refused(f"# Contents\n\n{_LONG}\n\n# A\n\nShort.\n\n# B\n\nA little longer.\n")
    assert shown["navigation"].startswith("Water boils")
    assert shown["too_short"] == "A little longer."


def test_of_a_document_without_passages_nothing_is_shown() -> None:
    assert _refused("  ") == {"no_passage": ""}
