"""The whole report of what was gathered."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from statistics import fmean

from streams.report.content import Report
from streams.report.figures.counting import (
    counted,
    lengths_of,
    median_of,
    roots_of,
    sources_of,
)
from streams.report.figures.novelty import novelty_of
from streams.report.figures.ratings import human_of, rated_of
from streams.report.figures.samples import passages_of, samples_of
from streams.report.gathering.gathered import Gathered, Newest

Positions = Callable[[Collection[str]], Mapping[str, int]]


def report_of(
    gathered: Gathered,
    now: datetime,
    *,
    samples: int = 5,
    positions: Positions = lambda segments: {},
) -> Report:
    """Count everything. ``positions`` looks up the places of passages in their documents.

    Examples that the stream made are described. People's come before them where novelty is
    concerned, as in the curator; they are described where the stream made none.
    """
    items = gathered.items
    seeds = sum(1 for item in items if item.seed)
    described = [item for item in items if not item.seed] or list(items)
    scores = [item.score for item in described if item.score is not None]
    ratings = list(gathered.ratings.values()) or [
        Newest(0, "", score, 0.0, None) for score in scores
    ]
    shown = samples_of(described, gathered.refused, {}, samples)
    places = positions(passages_of(shown))
    rated = rated_of(ratings, gathered.threshold)
    if not gathered.ratings:  # no probabilities
        rated = tuple(one.model_copy(update={"expected": None}) for one in rated)
    instruction_words = [item.instruction_words for item in described]
    response_words = [item.response_words for item in described]
    return Report(
        made_at=now.astimezone(UTC).isoformat(timespec="seconds"),
        about=gathered.about,
        from_stream=gathered.from_stream,
        examples=len(items),
        seeds=seeds,
        described=len(described),
        threshold=gathered.threshold,
        documents=len({item.document_id for item in described} - {""}),
        sources_count=len({item.source for item in described} - {""}),
        mean_score=fmean(scores) if scores else None,
        with_context=sum(1 for item in described if item.context),
        with_turns=sum(1 for item in described if item.history),
        instruction_words=median_of(instruction_words),
        response_words=median_of(response_words),
        stages=tuple(gathered.stages),
        roots=roots_of(described),
        categories=counted(item.category for item in described),
        sources=sources_of(described),
        languages=counted(item.language for item in described),
        generators=counted(item.generator for item in described),
        instruction_lengths=lengths_of(instruction_words),
        response_lengths=lengths_of(response_words),
        novelty=novelty_of(items),
        rated=rated,
        human=human_of(gathered.human, gathered.ratings, gathered.decisions, gathered.threshold),
        samples=tuple(
            sample.model_copy(update={"position": places.get(sample.segment_id)})
            for sample in shown
        ),
    )
