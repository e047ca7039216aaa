"""Which agent reads which topic.

A new agent is a file under ``agents/``, a line in STAGES and one in ``agent_makers``
(``streams/stages/making.py``). One that runs only where the settings say so has its line in
``stages_of``. No agent is imported here: what only looks at the stream starts sooner without them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from agents.plugin import Generator
from schemas.wire import decode_document
from streams.kafka.topics import (
    BOOTSTRAPS,
    CANDIDATES,
    CURATED,
    DEAD_LETTERS,
    DECISIONS,
    DOCUMENTS,
    PREFERENCES,
    QUESTIONS,
    REJECTED,
    RELEASES,
    SCORED,
    SEGMENTS,
    TOPICS,
    Topic,
    topic_of,
)
from streams.settings import Role, Settings
from streams.stages.agent.decoding import decode_entry, decode_keyless
from streams.stages.agent.protocol import MessageDecoder
from streams.stages.harness.policy import StagePolicy
from streams.stages.plugins import PluggedAgent, load_agents

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
    decisions: Topic | None = None
    """The topic of people's decisions, which a stage with a state is restored from first.

    All of its partitions are read, so that their number does not matter.
    """
    in_flight: int | None = None
    """Most messages in flight, where that is not the setting's."""
    plugged: bool = False
    """Whether its agent is a generator of another package."""
    samples: Callable[[Settings], int] = lambda _: 1
    """Requests to the model that a message makes at once. They share the places in flight."""

    @property
    def decode(self) -> MessageDecoder:
        """Converts messages of the source topic to records."""
        if self.source is DOCUMENTS:
            return decode_document
        assert self.source.record is not None
        if self.source.cleanup == "compact":
            return partial(decode_entry, self.source.record)
        return partial(decode_keyless, self.source.record)

    @property
    def identify(self) -> MessageDecoder:
        """The same, but without what takes long and is not needed for the record's id."""
        if self.source is DOCUMENTS:
            return partial(decode_document, with_text=False)
        return self.decode

    def policy(self, settings: Settings) -> StagePolicy:
        """How the stage treats its messages."""
        return StagePolicy(
            in_flight=self.in_flight or self._places(settings),
            concurrent=self.role is not None or self.plugged,
            timeout=settings.generation.timeout_seconds,
            remember=self.remember,
        )

    def _places(self, settings: Settings) -> int:
        if self.role is None:
            return settings.kafka.in_flight
        return max(1, settings.generation.in_flight // self.samples(settings))


SEGMENTER = StageSpec(
    "segmenter", DOCUMENTS, (SEGMENTS, REJECTED, DEAD_LETTERS), remember=_REMEMBERED
)
BACKWARD = StageSpec(
    "backward",
    SEGMENTS,
    (CANDIDATES, REJECTED, DEAD_LETTERS),
    role=Role.BACKWARD,
    remember=_REMEMBERED,
)
INVENTOR = StageSpec(
    "inventor",
    BOOTSTRAPS,
    (CANDIDATES, REJECTED, DEAD_LETTERS),
    role=Role.FORWARD,
    remember=_REMEMBERED,
)
ANSWERER = StageSpec(
    "answerer",
    QUESTIONS,
    (CANDIDATES, REJECTED, DEAD_LETTERS),
    role=Role.FORWARD,
    remember=_REMEMBERED,
    samples=lambda settings: settings.answering.samples,
)
SCORER = StageSpec(
    "scorer",
    CANDIDATES,
    (SCORED, REJECTED, DEAD_LETTERS),
    role=Role.FORWARD,
    remember=_REMEMBERED,
)
DECIDER = StageSpec("decider", DECISIONS, (SCORED, CURATED, REJECTED, DEAD_LETTERS))
CURATOR = StageSpec(
    "curator",
    SCORED,
    (CURATED, REJECTED, DEAD_LETTERS),
    state=CURATED,
    decisions=DECISIONS,
)

STAGES = (SEGMENTER, BACKWARD, INVENTOR, ANSWERER, SCORER, DECIDER, CURATOR)
"""The stages that always run, in flow order."""

# Few in flight: they wait behind live records in the queue of the same engine.
RECURATOR = StageSpec(
    "recurator", CANDIDATES, (SCORED, REJECTED, DEAD_LETTERS), role=Role.FORWARD, in_flight=16
)
"""The stage that rates again while a release serves, in a consumer group for each release."""

# Few in flight, because what they write is long.
REWRITER = StageSpec(
    "rewriter",
    CURATED,
    (CANDIDATES, REJECTED, DEAD_LETTERS),
    role=Role.FORWARD,
    remember=_REMEMBERED,
    in_flight=16,
)
"""The stage that rewrites responses, where ``rewriting.enabled`` is set."""

PAIRER = StageSpec("pairer", CURATED, (PREFERENCES, REJECTED, DEAD_LETTERS))
"""The stage that makes preference pairs, where ``preferences.enabled`` is set."""

ACCOUNTED_STAGES = (*STAGES, REWRITER, PAIRER)
"""The stages that the audit accounts for, where they run."""

EVERY_STAGE = (*ACCOUNTED_STAGES, RECURATOR)


def stages_of(settings: Settings) -> tuple[StageSpec, ...]:
    """The stages that run with these settings, but for the recurator."""
    optional = (
        (REWRITER, settings.rewriting.enabled),
        (PAIRER, settings.preferences.enabled),
    )
    stages = [*STAGES, *(spec for spec, enabled in optional if enabled)]
    generators = [one for one in plugged_agents(settings) if isinstance(one.plugin, Generator)]
    if not generators:
        return tuple(stages)
    replaced = {one.plugin.replaces for one in generators if isinstance(one.plugin, Generator)}
    stages = [spec for spec in stages if spec.name not in replaced]
    stages += map(_stage_of, generators)
    return tuple(sorted(stages, key=lambda spec: TOPICS.index(spec.source)))


def plugged_agents(settings: Settings) -> tuple[PluggedAgent, ...]:
    """The agents of other packages that the settings name. Raises SettingsError."""
    return load_agents(settings.agents, own_stages())


def own_stages() -> dict[str, type]:
    """The project's stages, and what each reads."""
    return {spec.name: spec.source.record or type(None) for spec in EVERY_STAGE}


def _stage_of(agent: PluggedAgent) -> StageSpec:
    plugin = agent.plugin
    assert isinstance(plugin, Generator)
    return StageSpec(
        agent.name,
        topic_of(plugin.reads),
        (CANDIDATES, REJECTED, DEAD_LETTERS),
        role=Role(plugin.role) if plugin.role else None,
        remember=_REMEMBERED,
        plugged=True,
    )


def topics_of(stages: Sequence[StageSpec]) -> tuple[Topic, ...]:
    """What a worker with these stages reads or writes, in flow order."""
    used = {
        topic
        for stage in stages
        for topic in (stage.source, stage.state, stage.decisions, *stage.outputs)
    }
    if any(stage.role for stage in stages):
        used.add(RELEASES)
    return tuple(topic for topic in TOPICS if topic in used)
