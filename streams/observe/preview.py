"""A preview: the agents in one process on a few passages, without a broker. Writes nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agents.curator import Curator
from agents.outcomes import Retraction
from agents.rewriter import Rewriter
from agents.scorer import Scorer
from agents.segmenter import Segmenter
from schemas.conversations import NotAConversation
from schemas.errors import SourceError
from schemas.ids import segment_id
from schemas.record import Record
from schemas.records import Candidate, Document, Example, Rejection, Scored, Segment
from schemas.turns import transcript
from streams.settings import Settings
from streams.stages.agent.protocol import Agent
from streams.stages.making import agent_makers, segmenter_of, writers_of
from streams.worker.role_models import RoleModels

_NEXT: dict[type[Record], str] = {
    Document: Segmenter.stage,
    Candidate: Scorer.stage,
    Scored: Curator.stage,
}


KEPT, REJECTED = "kept", "rejected"
UNREADABLE = "unreadable"
"""Verdict on something that could not be read."""


@dataclass(frozen=True, slots=True)
class PassagePreview:
    """The outcome of one passage."""

    source: str
    passage: str
    """Also where it was refused; of several that were refused together, the longest."""
    instruction: str
    score: float | None
    verdict: str
    """``kept``, ``rejected`` or ``unreadable``."""
    reason: str
    said: str = ""
    """What was said before the instruction, where the passage is a reply in a conversation."""
    category: str = ""
    """The kind of task; empty where it is not known."""
    response: str = ""
    """The answer, where it is not the whole passage; the passage then is the context."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def preview_documents(
    settings: Settings, model: Path, documents: Iterable[Document | SourceError], count: int
) -> Iterator[PassagePreview]:
    """Outcomes of the first ``count`` passages, rejected ones included, as they are reached."""
    with asyncio.Runner() as runner, contextlib.ExitStack() as loaded:
        models = runner.run(RoleModels.load(settings, model))
        loaded.callback(lambda: runner.run(models.aclose()))
        agents = {name: make() for name, make in agent_makers(settings, models.handles).items()}
        writers = writers_of(settings, agents)
        segmenter = segmenter_of(settings)
        shown = 0
        for document in documents:
            verdicts = _follow(agents, writers, segmenter, document)
            while shown < count:
                verdict = runner.run(anext(verdicts, None))  # type: ignore[arg-type]
                if verdict is None:
                    break
                shown += 1
                yield verdict
            if shown == count:
                return


def cut_documents(
    settings: Settings, documents: Iterable[Document | SourceError]
) -> Iterator[Segment | Rejection | SourceError]:
    """Every passage of the documents, as the segmenter would send it on or reject it."""
    segmenter = segmenter_of(settings)
    with asyncio.Runner() as runner:
        for document in documents:
            if isinstance(document, SourceError):
                yield document
            else:
                yield from runner.run(segmenter.handle(document))


@dataclass(frozen=True, slots=True)
class RefusedPassage:
    """A passage that the segmenter refuses, with its text."""

    source: str
    headings: tuple[str, ...]
    text: str
    reason: str
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def explained_documents(
    settings: Settings, documents: Iterable[Document | SourceError]
) -> Iterator[Segment | Rejection | RefusedPassage | SourceError]:
    """The same as ``cut_documents``, and after each document the passages that are refused."""
    segmenter = segmenter_of(settings)
    for document in documents:
        yield from cut_documents(settings, [document])
        if isinstance(document, SourceError):
            continue
        with contextlib.suppress(NotAConversation):  # which the rejection says
            for headings, text, refusal, _ in segmenter.passages(document):
                if refusal:
                    yield RefusedPassage(
                        document.source, headings, text, refusal.reason, refusal.detail
                    )


async def _follow(
    agents: dict[str, Agent],
    writers: Sequence[str],
    segmenter: Segmenter,
    document: Document | SourceError,
) -> AsyncIterator[PassagePreview]:
    if isinstance(document, SourceError):
        yield PassagePreview("", "", "", None, UNREADABLE, str(document))
        return
    for passage in await agents[Segmenter.stage].handle(document):
        if isinstance(passage, Rejection):
            refused = refused_text(segmenter, document, passage)
            yield PassagePreview(document.source, refused, "", None, REJECTED, _reason(passage))
            continue
        assert isinstance(passage, Segment)
        for verdict in await judge(agents, writers, passage):
            yield verdict


def refused_text(segmenter: Segmenter, document: Document, rejection: Rejection) -> str:
    """What a rejection of the segmenter is about; of several passages, the longest.

    Empty where it is about the whole document.
    """
    if rejection.id == document.id:
        return ""
    return max(
        (
            text
            for _, text, refusal, turns in segmenter.passages(document)
            if refusal
            and refusal.reason == rejection.reason
            and rejection.segment_id
            in ("", segment_id(text, document.context, [turn.text for turn in turns]))
        ),
        key=len,
        default="",
    )


async def judge(
    agents: Mapping[str, Agent], writers: Sequence[str], segment: Segment
) -> list[PassagePreview]:
    """The last verdict on each sample: a later one may take the place of one that was kept.

    ``writers`` are the stages that make candidates of a segment. Where there is a rewriter, what it
    writes is one more sample; what it refuses is said with the sample, which stays as it is.
    """
    samples: dict[str, Candidate] = {}
    scores: dict[str, float] = {}
    verdicts: dict[str, PassagePreview] = {}
    rewriter = agents.get(Rewriter.stage)
    waiting: list[Any] = [
        made for writer in writers for made in await agents[writer].handle(segment)
    ]
    while waiting:
        record = waiting.pop(0)
        if isinstance(record, Candidate):
            samples[record.id] = record
        elif isinstance(record, Scored):
            scores[record.id] = record.rating.score
        if isinstance(record, Rejection) and record.stage == Rewriter.stage:
            kept = verdicts[record.id]
            reason = f"{kept.reason}; not rewritten: {_reason(record, with_stage=False)}"
            verdicts[record.id] = replace(kept, reason=reason)
        elif isinstance(record, Example | Rejection):
            verdicts[record.id] = _verdict(
                segment, samples.get(record.id), scores.get(record.id), record
            )
            if rewriter is not None and isinstance(record, Example) and not _is_rewritten(record):
                waiting += await rewriter.handle(record)
        elif not isinstance(record, Retraction):
            waiting += await agents[_NEXT[type(record)]].handle(record)
    said = transcript(segment.turns)
    return [replace(verdict, said=said) for verdict in verdicts.values()]


def _verdict(
    segment: Segment,
    candidate: Candidate | None,
    score: float | None,
    outcome: Example | Rejection,
) -> PassagePreview:
    written = outcome if isinstance(outcome, Example) else candidate
    return PassagePreview(
        segment.source,
        segment.text,
        written.instruction if written else "",
        score,
        KEPT if isinstance(outcome, Example) else REJECTED,
        _why_kept(outcome) if isinstance(outcome, Example) else _reason(outcome),
        category=(written.category or "") if written else "",
        response=written.response if written and written.response != segment.text else "",
    )


def _why_kept(example: Example) -> str:
    return "rewritten; passed every rule" if _is_rewritten(example) else "passed every rule"


def _is_rewritten(example: Example) -> bool:
    return example.provenance.original is not None


def _reason(rejection: Rejection, *, with_stage: bool = True) -> str:
    stage = f"{rejection.stage}: " if with_stage else ""
    return stage + rejection.reason + (f", {rejection.detail}" if rejection.detail else "")
