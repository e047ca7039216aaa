"""What a stage runs. Agents do not depend on Kafka."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from agents.outcomes import Outcome
from schemas.records import Decision, Offset
from schemas.wire import Headers
from streams.kafka.messages import Received
from streams.stages.agent.outputs import Output


class Agent(Protocol):
    """Makes outcomes of records. ``at`` is only for provenance."""

    async def handle(self, record: Any, at: Offset | None = None) -> Sequence[Outcome]:
        """Return what follows from a record.

        May be called again with the same record. Raises only for errors, never to refuse.
        """


@runtime_checkable
class DependentAgent(Agent, Protocol):
    """An agent that depends on something that all of its records share, such as a model."""

    async def probe(self) -> None:
        """Use what the agent depends on, without a record. Raises where that fails."""


class StatefulAgent(Agent, Protocol):
    """An agent that remembers what its partition held.

    A new one is made for each assignment, and restored before the first ``handle``.
    """

    def restore_ruling(self, decision: Decision) -> None:
        """Take in one person's decision, in order, before everything else."""

    def restore(self, key: str, record: Any) -> None:
        """Take in one record of the topic that holds the state, in order; None is a tombstone."""

    def recall(self, record: Any) -> None:
        """Take in one of the last records of the source that were processed before, in order."""


MessageDecoder = Callable[[bytes | None, Headers, bytes | None], Any]
"""Converts value, headers and key of a message to a record. Raises WireError."""
AgentOf = Callable[[int], Awaitable[Agent]]
"""Makes and restores the agent of a partition."""


class OtherProcess(Protocol):
    """Another process that reads and handles large messages, so that the event loop goes on."""

    def takes(self, received: Received) -> bool:
        """Whether the message is handled there."""

    async def process(self, received: Received) -> tuple[str, list[Output]]:
        """Decode and handle a message. Returns its record's id and what is written for it.

        Raises what decoding and handling raise, and TimeLimitExceeded.
        """


@dataclass(frozen=True, slots=True)
class Processing:
    """What a stage does with a message, wherever it comes from."""

    decode: MessageDecoder
    agent_of: AgentOf
    """Makes and restores the agent of a partition."""
    outside: OtherProcess | None = None
    """Decodes and handles the messages that it takes."""
