"""Which agent reads which topic. A new agent is a file under ``agents/``, a line in STAGES and one in ``agent_makers``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from agents.backward import Backward
from agents.curator import Curator, CuratorSettings
from agents.scorer import Scorer
from agents.segmenter import Segmenter, SegmenterSettings
from models.engine import Sampling
from models.serving import ServedModel
from schemas.records import Record
from schemas.wire import decode, decode_document
from streams.settings import Settings
from streams.stage import Agent, Decode, StagePolicy
from streams.topics import CANDIDATES, CURATED, DEAD_LETTERS, DOCUMENTS, REJECTED, SCORED, SEGMENTS, Topic

_REMEMBERED = 20_000
"""Ids that a stage knows as answered for, so that a document fed twice is not paid for twice."""


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One line of the topology. ``state`` is the topic from whose like-numbered partition the agent is restored."""

    name: str
    source: Topic
    outputs: tuple[Topic, ...]
    uses_model: bool = False
    remember: int = 0
    state: Topic | None = None

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
            in_flight=settings.generation.in_flight if self.uses_model else settings.kafka.in_flight,
            concurrent=self.uses_model,
            timeout=settings.generation.timeout_seconds,
            remember=self.remember,
        )


STAGES = (
    StageSpec("segmenter", DOCUMENTS, (SEGMENTS, REJECTED, DEAD_LETTERS), remember=_REMEMBERED),
    StageSpec("backward", SEGMENTS, (CANDIDATES, REJECTED, DEAD_LETTERS), uses_model=True, remember=_REMEMBERED),
    StageSpec("scorer", CANDIDATES, (SCORED, REJECTED, DEAD_LETTERS), uses_model=True, remember=_REMEMBERED),
    StageSpec("curator", SCORED, (CURATED, REJECTED, DEAD_LETTERS), state=CURATED),
)
"""Every stage, in flow order."""

AgentMaker = Callable[[], Agent]


def segmenter_of(settings: Settings) -> Segmenter:
    """The segmenter that the settings ask for."""
    return Segmenter(SegmenterSettings(**settings.segments.model_dump()))


def agent_makers(settings: Settings, model: ServedModel | None) -> Mapping[str, AgentMaker]:
    """How to make the agent of each stage. Stateless agents are shared; the curator is made for each partition."""
    segmenter = segmenter_of(settings)
    makers: dict[str, AgentMaker] = {
        "segmenter": lambda: segmenter,
        "curator": lambda: Curator(CuratorSettings(**settings.curation.model_dump())),
    }
    if model is not None:
        chosen = settings.generation
        sampling = Sampling(
            temperature=chosen.temperature,
            top_p=chosen.top_p,
            top_k=chosen.top_k,
            repetition_penalty=chosen.repetition_penalty,
            max_tokens=chosen.max_tokens,
        )
        backward, scorer = Backward(model, sampling, chosen.samples), Scorer(model)
        makers |= {"backward": lambda: backward, "scorer": lambda: scorer}
    return makers


def _decode_keyless(record: type[Record], data: bytes | None, headers: Mapping[str, bytes], _: bytes | None) -> Record:
    return decode(record, data, headers)
