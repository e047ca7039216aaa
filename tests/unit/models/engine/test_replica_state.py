"""The life of a replica: the table of transitions, and that the thread follows it."""

import asyncio
import time
from collections.abc import Callable, Sequence

import pytest

from models.engine.core import ComputeCounts
from models.engine.replica import Replica
from models.engine.replica_state import (
    TRANSITIONS,
    IllegalTransition,
    ReplicaEvent,
    ReplicaState,
    next_state,
)
from models.engine.requests import AnyRequest, ChoiceRequest
from schemas.errors import EngineError

_LEGAL = {
    (ReplicaState.IDLE, ReplicaEvent.ARRIVED): ReplicaState.RUNNING,
    (ReplicaState.IDLE, ReplicaEvent.CLOSED): ReplicaState.CLOSED,
    (ReplicaState.IDLE, ReplicaEvent.CRASHED): ReplicaState.FAILED,
    (ReplicaState.RUNNING, ReplicaEvent.ARRIVED): ReplicaState.RUNNING,
    (ReplicaState.RUNNING, ReplicaEvent.DRAINED): ReplicaState.IDLE,
    (ReplicaState.RUNNING, ReplicaEvent.FAULT): ReplicaState.RELOADING,
    (ReplicaState.RUNNING, ReplicaEvent.CLOSED): ReplicaState.CLOSED,
    (ReplicaState.RUNNING, ReplicaEvent.CRASHED): ReplicaState.FAILED,
    (ReplicaState.RELOADING, ReplicaEvent.RELOADED): ReplicaState.IDLE,
    (ReplicaState.RELOADING, ReplicaEvent.CRASHED): ReplicaState.FAILED,
}


@pytest.mark.parametrize("state", ReplicaState)
@pytest.mark.parametrize("event", ReplicaEvent)
def test_an_event_leads_to_the_next_state_or_raises(
    state: ReplicaState, event: ReplicaEvent
) -> None:
    if (state, event) in _LEGAL:
        assert next_state(state, event) is _LEGAL[state, event]
    else:
        with pytest.raises(IllegalTransition, match=f"event {event.name} in state {state.name}"):
            next_state(state, event)


def test_every_state_is_in_the_table() -> None:
    assert TRANSITIONS.keys() == set(ReplicaState)


class _Model:
    device, context_window, vocabulary = "cpu", 8, 8


class FakeCore:
    """An EngineCore that answers every request with 0, or fails as told."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.counts = ComputeCounts()
        self.model = _Model()
        self.fault = fault
        self.waiting: list[AnyRequest] = []

    def __len__(self) -> int:
        return len(self.waiting)

    def add(self, requests: Sequence[AnyRequest]) -> None:
        if self.fault:
            raise self.fault
        self.waiting += requests

    def drop(self, unwanted: Callable[[AnyRequest], bool]) -> list[AnyRequest]:
        dropped = [request for request in self.waiting if unwanted(request)]
        self.waiting = [request for request in self.waiting if request not in dropped]
        return dropped

    def abort_running(self) -> list[AnyRequest]:
        lost, self.waiting = self.waiting, []
        return lost

    def step(self):  # type: ignore[no-untyped-def]
        while self.waiting:
            yield self.waiting.pop(), 0
            yield None


async def rate(replica: Replica) -> object:
    loop = asyncio.get_running_loop()
    request = ChoiceRequest(prompt=(1,), loop=loop, future=loop.create_future(), option_ids=())
    await replica.put(request)
    return await request.answer()


def eventually(replica: Replica, state: ReplicaState) -> bool:
    """Whether a replica reaches a state: its thread reports an answer before it changes state."""
    until = time.monotonic() + 60
    while replica.state is not state and time.monotonic() < until:
        time.sleep(0.001)
    return replica.state is state


async def test_a_replica_is_idle_between_requests_and_then_closed() -> None:
    replica = Replica(FakeCore())
    assert eventually(replica, ReplicaState.IDLE)
    await rate(replica)
    assert eventually(replica, ReplicaState.IDLE)
    replica.close()
    assert eventually(replica, ReplicaState.CLOSED)
    replica.close()
    assert eventually(replica, ReplicaState.CLOSED)


async def test_a_fault_reloads_the_model_and_the_replica_goes_on() -> None:
    seen: list[ReplicaState] = []

    def reload() -> FakeCore:
        seen.append(replica.state)
        return FakeCore()

    replica = Replica(FakeCore(RuntimeError("a bug")), reload=reload)
    with pytest.raises(EngineError, match="a bug"):
        await rate(replica)
    assert eventually(replica, ReplicaState.IDLE)
    assert seen == [ReplicaState.RELOADING]
    assert await rate(replica) == 0
    replica.close()
    assert eventually(replica, ReplicaState.CLOSED)


async def test_a_fault_without_a_way_to_reload_is_final() -> None:
    replica = Replica(FakeCore(RuntimeError("a bug")))
    with pytest.raises(EngineError, match="a bug"):
        await rate(replica)
    assert eventually(replica, ReplicaState.FAILED)
    with pytest.raises(EngineError, match="a bug"):
        await rate(replica)
    replica.close()
    assert eventually(replica, ReplicaState.FAILED)
