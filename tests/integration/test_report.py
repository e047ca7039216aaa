"""``backstream report`` on real topics."""

from pathlib import Path

from typer.testing import CliRunner

from schemas.records import (
    Candidate,
    Decision,
    Document,
    Example,
    ExampleOrigin,
    HumanRating,
    Provenance,
    Rating,
    Rejection,
    Scored,
    Segment,
)
from schemas.ruling import Ruling
from streams.cli.main import app
from streams.report.figures.comparing import read_report
from streams.settings import Settings
from tests.integration.topics import Topics


def _scored(number: int, score: float) -> Scored:
    made = Provenance(source="docs/a.md", document_id="d0", segment_id=f"s{number}")
    rating = Rating(
        score=score, probabilities=(0, 0.1, 0, 0.4, 0.5), release="r-1", template="t", precision=0.8
    )
    asked = ("Explain why iron rusts.", "List the birds of the marsh.", "Describe a glacier.")
    candidate = Candidate(
        id=f"e{number}", instruction=asked[number], response="Because.", provenance=made
    )
    return Scored(candidate=candidate, rating=rating)


def test_it_follows_examples_to_their_passages(settings: Settings, tmp_path: Path) -> None:
    topics = Topics(settings.kafka.cluster())
    pairs = [_scored(0, 4.5), _scored(1, 4.8), _scored(2, 2.0)]
    examples = [
        Example(
            id=pair.id,
            instruction=pair.candidate.instruction,
            response="Because.",
            origin=ExampleOrigin.AUGMENTED,
            rating=pair.rating,
            provenance=pair.candidate.provenance,
        )
        for pair in pairs[:2]
    ]
    topics.write(
        Document(id="d0", source="docs/a.md", text="Iron rusts."),
        *(
            Segment(id=f"s{n}", document_id="d0", source="docs/a.md", position=4 + n, text="Iron.")
            for n in range(3)
        ),
        *pairs,
        *examples,
        Rejection(id="d0-short", stage="segmenter", reason="too_short", count=7),
        Rejection(id="d0-short", stage="segmenter", reason="too_short", count=7),
        Rejection(id="e2", stage="curator", reason="below_threshold", detail="rated 2", score=2.0),
        Decision(candidate=pairs[1].candidate, ruling=Ruling(action="accept", by="ada", at=9.0)),
        HumanRating(id="e0", instruction="i", response="r", score=5, rater="ada"),
    )
    page = tmp_path / "report.html"
    command = ["report", "-o", str(page), "--broker", topics.cluster.address]
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 0, ended.output
    found = read_report(page)
    assert (found.examples, found.from_stream) == (2, True)
    stages = {one.stage: one for one in found.stages}
    assert (stages["segmenter"].read, stages["segmenter"].refused[0].count) == (1, 7)
    assert (stages["curator"].read, stages["curator"].refused[0].name) == (3, "below_threshold")
    [rated] = found.rated
    assert (rated.release, rated.pairs, rated.precision) == ("r-1", 3, 0.8)
    assert (found.human.ratings, found.human.agreement[0].pairs) == (1, 1)
    assert [(one.action, one.by) for one in found.human.decided] == [("accept", "ada")]
    refused = next(one for one in found.samples if one.kind == "refused")
    assert (refused.id, refused.reason, refused.position) == ("e2", "below_threshold: rated 2", 6)
    assert "passage 7" in page.read_text()
