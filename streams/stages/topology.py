"""Which agent reads which topic.

A new agent is a file under ``agents/``, a line in STAGES and one in ``agent_makers``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from agents.answerer import Answerer
from agents.backward import Backward
from agents.curation.example_rules import ExampleRules
from agents.curator import Curator
from agents.recurator import Recurator
from agents.scorer import Scorer
from agents.segmenter import Segmenter, SegmenterSettings
from models.engine import Sampling
from models.serving.model_handle import ModelHandle
from schemas.record import Record
from schemas.wire import decode, decode_document
from streams.kafka.topics import (
    CANDIDATES,
    CURATED,
    DEAD_LETTERS,
    DOCUMENTS,
    QUESTIONS,
    REJECTED,
    RELEASES,
    SCORED,
    SEGMENTS,
    TOPICS,
    Topic,
)
from streams.settings import Role, Settings
from streams.stages.agent.process import AgentProcess
from streams.stages.agent.protocol import Agent, MessageDecoder
from streams.stages.harness.policy import StagePolicy

_REMEMBERED = 20_000
"""Processed ids that a stage keeps, so that a document fed twice is not processed twice."""


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One line of the topology."""

    name: str
    source: Topic
    outputs: tuple[Topic, ...]
    role: Role | None = None
    """The role of the model that the stage uses, if it uses one."""
    remember: int = 0
    """See ``StagePolicy.remember``."""
    state: Topic | None = None
    """The topic that holds the agent's state.

    The agent is restored from the partition with the number of its own, and then recalls the last
    messages of its source that were processed.
    """
    in_flight: int | None = None
    """Most messages in flight, where that is not the setting's."""

    @property
    def decode(self) -> MessageDecoder:
        """Converts messages of the source topic to records."""
        if self.source is DOCUMENTS:
            return decode_document
        assert self.source.record is not None
        return partial(_decode_keyless, self.source.record)

    @property
    def identify(self) -> MessageDecoder:
        """The same, but without what takes long and is not needed for the record's id."""
        if self.source is DOCUMENTS:
            return partial(decode_document, with_text=False)
        return self.decode

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
        Answerer.stage,
        QUESTIONS,
        (CANDIDATES, REJECTED, DEAD_LETTERS),
        role=Role.FORWARD,
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
"""The stages that always run, in flow order."""

# Few in flight: they wait behind live records in the queue of the same engine.
RECURATOR = StageSpec(
    Recurator.stage, CANDIDATES, (SCORED, REJECTED, DEAD_LETTERS), role=Role.FORWARD, in_flight=16
)
"""The stage that rates again while a release serves, in a consumer group for each release."""

EVERY_STAGE = (*STAGES, RECURATOR)


def topics_of(stages: Sequence[StageSpec]) -> tuple[Topic, ...]:
    """What a worker with these stages reads or writes, in flow order."""
    used = {topic for stage in stages for topic in (stage.source, stage.state, *stage.outputs)}
    if any(stage.role for stage in stages):
        used.add(RELEASES)
    return tuple(topic for topic in TOPICS if topic in used)


AgentMaker = Callable[[], Agent]


def segmenter_of(settings: Settings) -> Segmenter:
    """Make the segmenter with these settings."""
    return Segmenter(_segmenter_settings(settings))


def _segmenter_settings(settings: Settings) -> SegmenterSettings:
    return SegmenterSettings(**settings.segments.model_dump(exclude={"max_seconds"}))


def document_process(settings: Settings) -> AgentProcess:
    """The process that reads and cuts large documents for the segmenter's stage."""
    make = partial(Segmenter, _segmenter_settings(settings))
    return AgentProcess(make, decode_document, settings.segments.max_seconds)


def sampling_of(settings: Settings) -> Sampling:
    """Return the sampling of the backward model."""
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
    """Return a factory of agents for each stage of STAGES whose model is loaded.

    Only the curator's makes a new one at each call; the others have no state.
    """
    segmenter = segmenter_of(settings)
    # Made with the first curator: they read files, which only its worker needs.
    rules_of_examples = cache(lambda: ExampleRules(settings.curation))
    makers: dict[str, AgentMaker] = {
        Segmenter.stage: lambda: segmenter,
        Curator.stage: lambda: Curator(settings.curation, rules_of_examples()),
    }
    if Role.BACKWARD in models:
        backward = Backward(
            models[Role.BACKWARD],
            sampling_of(settings),
            settings.generation.samples,
            settings.generation.openings,
        )
        makers[Backward.stage] = lambda: backward
    if Role.FORWARD in models:
        scorer = Scorer(models[Role.FORWARD])
        makers[Scorer.stage] = lambda: scorer
        answerer = Answerer(models[Role.FORWARD], settings.answering)
        makers[Answerer.stage] = lambda: answerer
    return makers


def _decode_keyless(
    record: type[Record], data: bytes | None, headers: Mapping[str, bytes], _: bytes | None
) -> Record:
    return decode(record, data, headers)
