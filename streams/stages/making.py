"""Makes the agents of the stages, with the settings and the models that are loaded."""

from collections.abc import Callable, Container, Mapping
from functools import cache, partial

from agents.answerer import Answerer
from agents.backward import Backward
from agents.curation.example_rules import ExampleRules
from agents.curator import Curator
from agents.decider import Decider
from agents.inventor import Inventor
from agents.pairer import Pairer
from agents.plugged import Filtering, Generating
from agents.plugin import Filter, Generator
from agents.rewriter import Rewriter
from agents.scorer import Scorer
from agents.segmenter import Segmenter, SegmenterSettings
from models.serving.model_handle import ModelHandle
from schemas.wire import decode_document
from streams.kafka.topics import SEGMENTS
from streams.settings import Role, Settings
from streams.stages.agent.process import AgentProcess
from streams.stages.agent.protocol import Agent
from streams.stages.topology import plugged_agents, stages_of

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


def agent_makers(
    settings: Settings, models: Mapping[Role, ModelHandle]
) -> Mapping[str, AgentMaker]:
    """Return a factory of agents for each of ACCOUNTED_STAGES whose model is loaded.

    Only the curator's makes a new one at each call; the others have no state.
    """
    segmenter, decider = segmenter_of(settings), Decider()
    # Made with the first curator: they read files, which only its worker needs.
    rules_of_examples = cache(lambda: ExampleRules(settings.curation))
    makers: dict[str, AgentMaker] = {
        Segmenter.stage: lambda: segmenter,
        Decider.stage: lambda: decider,
        Curator.stage: lambda: Curator(
            settings.curation, rules_of_examples(), rewriting=settings.rewriting.enabled
        ),
        Pairer.stage: lambda: Pairer(settings.preferences),
    }
    if Role.BACKWARD in models:
        backward = Backward(
            models[Role.BACKWARD],
            settings.generation.sampling(),
            settings.generation.samples,
            settings.generation.openings,
            settings.curation.mix,
            settings.segments.max_characters,
        )
        makers[Backward.stage] = lambda: backward
    if Role.FORWARD in models:
        inventor = Inventor(models[Role.FORWARD], settings.invention)
        makers[Inventor.stage] = lambda: inventor
        scorer = Scorer(models[Role.FORWARD])
        makers[Scorer.stage] = lambda: scorer
        answerer = Answerer(models[Role.FORWARD], settings.answering)
        makers[Answerer.stage] = lambda: answerer
        rewriter = Rewriter(models[Role.FORWARD], settings.rewriting)
        makers[Rewriter.stage] = lambda: rewriter
    return _with_plugged(makers, settings, models)


def _with_plugged(
    makers: dict[str, AgentMaker], settings: Settings, models: Mapping[Role, ModelHandle]
) -> Mapping[str, AgentMaker]:
    """Add the generators of other packages, and their filters before what reads the same."""
    plugged = plugged_agents(settings)
    for agent in plugged:
        plugin = agent.plugin
        if isinstance(plugin, Generator) and (plugin.role is None or Role(plugin.role) in models):
            handle = models[Role(plugin.role)] if plugin.role else None
            made = plugin.make(agent.settings, handle)
            generating = Generating(agent.name, agent.version, made, handle)
            makers[agent.name] = partial(_itself, generating)
    filters = [
        (agent.name, agent.plugin, agent.plugin.make(agent.settings))
        for agent in plugged
        if isinstance(agent.plugin, Filter)
    ]
    for spec in stages_of(settings) if filters else ():
        before = [(name, one) for name, kind, one in filters if kind.reads is spec.source.record]
        if before and spec.name in makers:
            filtering = Filtering(spec.name, makers[spec.name](), before)
            makers[spec.name] = partial(_itself, filtering)
    return makers


def writers_of(settings: Settings, made: Container[str]) -> list[str]:
    """The stages that make candidates of segments with these settings, of those in ``made``."""
    return [
        spec.name for spec in stages_of(settings) if spec.source is SEGMENTS and spec.name in made
    ]


def _itself(agent: Agent) -> Agent:
    return agent
