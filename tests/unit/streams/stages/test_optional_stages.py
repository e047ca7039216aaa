"""The stages that read ``curated``, where the settings say so."""

import pytest

from agents.outcomes import Retraction
from schemas.errors import WireError
from schemas.records import Example, ExampleOrigin
from schemas.wire import encode, header_map, headers_for
from streams.kafka.messages import Received
from streams.kafka.topics import CURATED
from streams.settings import Settings
from streams.stages.agent.protocol import Processing
from streams.stages.harness.policy import StagePolicy
from streams.stages.harness.stage import Stage
from streams.stages.metrics import Metrics
from streams.stages.topology import PAIRER, REWRITER, STAGES, stages_of
from tests.unit.memory_writer import MemoryWriter

_EXAMPLE = Example(id="e", instruction="Why?", response="So.", origin=ExampleOrigin.SEED)


def _settings(**changes: object) -> Settings:
    return Settings.model_validate(changes)


def test_they_run_where_they_are_set() -> None:
    rewriting, preferences = {"enabled": True}, {"enabled": True}
    assert stages_of(_settings()) == STAGES
    assert stages_of(_settings(rewriting=rewriting)) == (*STAGES, REWRITER)
    assert stages_of(_settings(preferences=preferences)) == (*STAGES, PAIRER)
    both = _settings(rewriting=rewriting, preferences=preferences)
    assert stages_of(both) == (*STAGES, REWRITER, PAIRER)


@pytest.mark.parametrize("spec", [REWRITER, PAIRER], ids=lambda spec: spec.name)
def test_a_tombstone_is_a_retraction(spec) -> None:
    headers = header_map(headers_for(Example))
    assert spec.decode(encode(_EXAMPLE), headers, b"e") == _EXAMPLE
    assert spec.decode(None, {}, b"e") == Retraction("e", Example)
    for key in (None, b"", b"\xff"):
        with pytest.raises(WireError):
            spec.decode(None, {}, key)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"curation": {"rules": {"outrated": False}}}, "outrated"),
        (
            {"kafka": {"topics": {"scored": {"partitions": 2}, "curated": {"partitions": 2}}}},
            "one partition of scored",
        ),
    ],
)
def test_rewriting_needs_samples_that_meet(changes, message) -> None:
    _settings(**changes)
    with pytest.raises(ValueError, match=message):
        _settings(rewriting={"enabled": True}, **changes)


class _Noting:
    """An agent that notes what it gets."""

    def __init__(self) -> None:
        self.got: list[object] = []

    async def handle(self, record, at=None):
        self.got.append(record)
        return []


async def test_an_example_that_comes_back_after_its_tombstone_is_processed() -> None:
    """Compaction may have removed the example that came before the tombstone."""
    agent = _Noting()

    async def agent_of(partition):
        return agent

    def failed(error):
        raise error

    policy = StagePolicy(concurrent=True, remember=100)
    stage = Stage(
        "rewriter",
        Processing(REWRITER.decode, agent_of),
        MemoryWriter(),
        failed,
        policy,
        Metrics(),
    )
    tombstone = Received(CURATED.name, 0, 0, b"e", None)
    value = Received(CURATED.name, 0, 1, b"e", encode(_EXAMPLE), headers_for(Example))
    for message in (
        tombstone,
        value,
        value._replace(offset=2),
        tombstone._replace(offset=3),
    ):
        await stage.wait_for_room()
        await stage.accept(message)
        assert await stage.wait_idle(60)
    assert agent.got == [Retraction("e", Example), _EXAMPLE, Retraction("e", Example)]
