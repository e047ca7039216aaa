"""What a preview shows: refused passages, and responses that are rewritten."""

import asyncio
from typing import Any

import pytest

from agents.curation.settings import CuratorSettings
from agents.curator import Curator
from agents.rewriter import Rewriter
from agents.scorer import Scorer
from agents.segmenter import Segmenter
from models.serving.model_handle import ModelHandle
from schemas.records import Candidate, Document, Provenance, Rating, Rejection, Scored, Segment
from streams.observe.preview import judge, refused_text
from tests.unit.agents.test_rewriter import Model

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


_PASSAGE = (
    "Each of the locks of the Panama Canal raises a ship by 9 metres. Water from Lake Gatun fills "
    "the chamber, and no pump is needed for that."
)
_REWRITTEN = "A lock raises a ship by 9 metres, with water from Lake Gatun."


class _Writer:
    async def handle(self, segment: Segment, at: Any = None) -> list[Candidate]:
        made = Provenance(
            source="notes", document_id="d1", segment_id=segment.id, release="r", template="t"
        )
        asked = "How high does a canal lock raise a ship?"
        return [Candidate(id="c1", instruction=asked, response=segment.text, provenance=made)]


class _Scorer:
    """Rates a rewritten response as the test says, and a passage 4."""

    def __init__(self, rewritten: float) -> None:
        self._rewritten = rewritten

    async def handle(self, candidate: Candidate, at: Any = None) -> list[Scored]:
        score = self._rewritten if candidate.provenance.original else 4.0
        rating = Rating(score=score, probabilities=(0, 0, 0, 1, 0), release="r", template="t")
        return [Scored(candidate=candidate, rating=rating)]


@pytest.mark.parametrize(
    ("text", "score", "expected"),
    [
        (
            _REWRITTEN,
            5.0,
            {"rewritten; passed every rule": "kept", "curator: outrated": "rejected"},
        ),
        (_REWRITTEN, 2.0, {"passed every rule": "kept", "curator: below_threshold": "rejected"}),
        ("", 5.0, {"passed every rule; not rewritten: empty_response": "kept"}),
    ],
    ids=["better", "worse", "refused"],
)
def test_a_rewritten_response_is_a_sample_of_its_passage(
    text: str, score: float, expected: dict[str, str]
) -> None:
    agents = {
        "backward": _Writer(),
        Scorer.stage: _Scorer(score),
        Curator.stage: Curator(CuratorSettings(), rewriting=True),
        Rewriter.stage: Rewriter(ModelHandle(Model(text))),  # type: ignore[arg-type]
    }
    segment = Segment(id="s1", document_id="d1", source="notes", position=0, text=_PASSAGE)
    verdicts = asyncio.run(judge(agents, ["backward"], segment))  # type: ignore[arg-type]
    assert {one.reason.split(",")[0]: one.verdict for one in verdicts} == expected
    rewritten = {one.response for one in verdicts} - {""}
    assert rewritten == ({text} if text else set())
