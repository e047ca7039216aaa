"""Which agent reads which topic. A new agent is a file under ``agents/``, a line in STAGES and one
in ``agent_makers``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from agents.backward import Backward
from agents.curator import Curator, CuratorSettings
from agents.recurator import Recurator
from agents.scorer import Scorer
from agents.segmenter import Segmenter, SegmenterSettings
from models.engine import Sampling
from models.serving.model_handle import ModelHandle
from schemas.records import Record
from schemas.wire import decode, decode_document
from streams.kafka.topics import (
    CANDIDATES,
    CURATED,
    DEAD_LETTERS,
    DOCUMENTS,
    REJECTED,
    SCORED,
    SEGMENTS,
    Topic,
)
from streams.settings import Role, Settings
from streams.stages.stage import Agent, Decode, StagePolicy

_REMEMBERED = 20_000
"""Ids that a stage knows as answered for, so that a document fed twice is not paid for twice."""


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One line of the topology. ``state`` is the topic from whose like-numbered partition the agent
    is restored; the last messages of its source that were answered for are recalled after it.
    """

    name: str
    source: Topic
    outputs: tuple[Topic, ...]
    role: Role | None = None
    """What the stage asks of a model, if it asks one."""
    remember: int = 0
    state: Topic | None = None
    in_flight: int | None = None
    """Messages open at once, where that is not the setting's."""

    @property
    def decode(self) -> Decode:
        """Bytes of the source topic as a record."""
        if self.source is DOCUMENTS:
            return decode_document
        assert self.source.record is not None
        return partial(_decode_keyless, self.source.record)

    def policy(self, settings: Settings) -> StagePolicy:
        """How the stage treats its messages."""
        return StagePolicy(
            in_flight=self.in_flight
            or (settings.generation.in_flight if self.role else settings.kafka.in_flight),
            concurrent=self.role is not None,
            timeout=settings.generation.timeout_seconds,
            remember=self.remember,
        )


STAGES = (
    StageSpec(Segmenter.stage, DOCUMENTS, (SEGMENTS, REJECTED, DEAD_LETTERS), remember=_REMEMBERED),
    StageSpec(
        Backward.stage,
        SEGMENTS,
        (CANDIDATES, REJECTED, DEAD_LETTERS),
        role=Role.BACKWARD,
        remember=_REMEMBERED,
    ),
    StageSpec(
        Scorer.stage,
        CANDIDATES,
        (SCORED, REJECTED, DEAD_LETTERS),
        role=Role.FORWARD,
        remember=_REMEMBERED,
    ),
    StageSpec(Curator.stage, SCORED, (CURATED, REJECTED, DEAD_LETTERS), state=CURATED),
)
"""Every stage that is always there, in flow order."""

# Few at once: they wait behind live records, in the same engine's queue.
RECURATOR = StageSpec(
    Recurator.stage, CANDIDATES, (SCORED, REJECTED, DEAD_LETTERS), role=Role.FORWARD, in_flight=16
)
"""The stage that runs beside them while a release serves, in a consumer group for each release."""

EVERY_STAGE = (*STAGES, RECURATOR)
"""What there is to show."""

AgentMaker = Callable[[], Agent]


def segmenter_of(settings: Settings) -> Segmenter:
    """The segmenter that the settings ask for."""
    return Segmenter(SegmenterSettings(**settings.segments.model_dump()))


def sampling_of(settings: Settings) -> Sampling:
    """How the settings have instructions written."""
    chosen = settings.generation
    return Sampling(
        temperature=chosen.temperature,
        top_p=chosen.top_p,
        top_k=chosen.top_k,
        repetition_penalty=chosen.repetition_penalty,
        max_tokens=chosen.max_tokens,
    )


def agent_makers(
    settings: Settings, models: Mapping[Role, ModelHandle]
) -> Mapping[str, AgentMaker]:
    """How to make the agent of each stage of STAGES whose model is there. Only the curator is made
    anew each time.
    """
    segmenter = segmenter_of(settings)
    makers: dict[str, AgentMaker] = {
        Segmenter.stage: lambda: segmenter,
        Curator.stage: lambda: Curator(CuratorSettings(**settings.curation.model_dump())),
    }
    if Role.BACKWARD in models:
        backward = Backward(
            models[Role.BACKWARD], sampling_of(settings), settings.generation.samples
        )
        makers[Backward.stage] = lambda: backward
    if Role.FORWARD in models:
        scorer = Scorer(models[Role.FORWARD])
        makers[Scorer.stage] = lambda: scorer
    return makers


def _decode_keyless(
    record: type[Record], data: bytes | None, headers: Mapping[str, bytes], _: bytes | None
) -> Record:
    return decode(record, data, headers)
