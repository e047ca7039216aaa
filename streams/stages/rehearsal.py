"""Runs an agent of another package as a stage would, without a broker.

For tests of such packages: ``docs/extending.md``. The harness is the one of a worker, so errors,
attempts and dead letters are the same; only the broker is not there.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from agents.outcomes import Outcome
from agents.plugged import Filtering, Generating
from agents.plugin import Filter, Generator
from models.serving.model_handle import ModelHandle
from models.serving.role_model import RoleModel
from schemas.record import Record
from schemas.records import Candidate, Offset, Rejection
from schemas.wire import decode, encode, header_map, headers_for
from streams.kafka.messages import Message, Received
from streams.kafka.topics import DEAD_LETTERS, TOPICS, topic_of
from streams.kafka.writing.dead_letters import MESSAGE
from streams.stages.agent.decoding import decode_keyless
from streams.stages.agent.protocol import Agent, Processing
from streams.stages.harness.policy import StagePolicy
from streams.stages.harness.stage import Stage

_SECONDS = 60.0
_VERSION = "0"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What an agent has made of records."""

    candidates: list[Candidate] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    passed: list[Record] = field(default_factory=list)
    """The records that a filter let pass."""
    dead: list[str] = field(default_factory=list)
    """Why records would be dead letters."""


async def rehearse(
    plugin: Generator | Filter,
    records: Sequence[Record],
    settings: Mapping[str, Any] | None = None,
    *,
    model: RoleModel | None = None,
    name: str = "rehearsed",
) -> Rehearsed:
    """Give records to an agent, as a stage of this name does, and return what became of them.

    ``settings`` are those of its section. ``model`` is what a generator with a role uses. Raises
    pydantic's ValidationError for settings that are not valid, and TimeoutError where a record is
    waited for, as after a StateUnavailable, for a minute.
    """
    chosen = plugin.settings.model_validate(dict(settings or {}))
    passed: list[Record] = []
    if isinstance(plugin, Generator):
        handle = ModelHandle(model) if model is not None else None
        agent: Agent = Generating(name, _VERSION, plugin.make(chosen, handle), handle)
    else:
        agent = Filtering("rehearsed", _Passing(passed), [(name, plugin.make(chosen))])

    async def agent_of(partition: int) -> Agent:
        return agent

    writer, source = _Kept(), topic_of(plugin.reads)
    failures: list[BaseException] = []
    decoder = partial(decode_keyless, plugin.reads)
    stage = Stage(
        name, Processing(decoder, agent_of), writer, failures.append, StagePolicy(backoff=0.001)
    )
    for offset, record in enumerate(records):
        await stage.wait_for_room()
        await stage.accept(
            Received(
                source.name,
                0,
                offset,
                record.id.encode(),
                encode(record),
                headers_for(plugin.reads),
            )
        )
    if not await stage.wait_idle(_SECONDS):
        raise TimeoutError(f"{name} waits: {stage.unavailable}")
    if failures:
        raise failures[0]
    return _sorted(writer.written, passed)


class _Passing:
    """Keeps what reaches it."""

    def __init__(self, passed: list[Record]) -> None:
        self._passed = passed

    async def handle(self, record: Any, at: Offset | None = None) -> Sequence[Outcome]:
        self._passed.append(record)
        return []


class _Kept:
    """A writer that keeps messages and acknowledges them at once."""

    unavailable: str | None = None

    def __init__(self) -> None:
        self.written: list[Message] = []

    async def send(self, message: Message) -> "asyncio.Future[None]":
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.written.append(message)
        future.set_result(None)
        return future


def _sorted(written: Sequence[Message], passed: list[Record]) -> Rehearsed:
    found = Rehearsed(passed=passed)
    records = {topic.name: topic.record for topic in TOPICS}
    for message in written:
        headers = header_map(message.headers)
        if message.topic == DEAD_LETTERS.name:
            found.dead.append(headers.get(MESSAGE, b"").decode())
            continue
        kind = records[message.topic]
        assert kind is not None
        record = decode(kind, message.value, headers)
        (found.candidates if isinstance(record, Candidate) else found.rejections).append(record)  # type: ignore[arg-type]
    return found
