"""The life of an engine replica, as a table of legal transitions.

A replica starts idle. Only its own thread reports events::

        ┌──── drained ◀────┐
        ▼                  │
      IDLE ── arrived ──▶ RUNNING ── fault ──▶ RELOADING
        ▲                                         │
        └──────────────── reloaded ◀──────────────┘

IDLE and RUNNING lead to CLOSED with ``closed``. A replica that is RELOADING is closed only after
that. IDLE, RUNNING and RELOADING lead to FAILED with ``crashed``.
"""

from enum import Enum, auto


class ReplicaState(Enum):
    """What a replica's thread is doing."""

    IDLE = auto()
    """It waits for a request."""
    RUNNING = auto()
    """Its core has requests to compute."""
    RELOADING = auto()
    """It loads the model again after a fault. The requests that it had taken have failed."""
    CLOSED = auto()
    """The engine was closed. Final."""
    FAILED = auto()
    """It stopped on an error. Every later request fails with it. Final."""


class ReplicaEvent(Enum):
    """What happens to a replica."""

    ARRIVED = auto()
    """Requests were taken from the inbox."""
    DRAINED = auto()
    """The core has no request left."""
    FAULT = auto()
    """Several steps in a row failed, or an error of the engine's own occurred."""
    RELOADED = auto()
    """The model was loaded again."""
    CLOSED = auto()
    """The inbox was closed."""
    CRASHED = auto()
    """An error that the replica does not recover from."""


TRANSITIONS: dict[ReplicaState, dict[ReplicaEvent, ReplicaState]] = {
    ReplicaState.IDLE: {
        ReplicaEvent.ARRIVED: ReplicaState.RUNNING,
        ReplicaEvent.CLOSED: ReplicaState.CLOSED,
        ReplicaEvent.CRASHED: ReplicaState.FAILED,
    },
    ReplicaState.RUNNING: {
        ReplicaEvent.ARRIVED: ReplicaState.RUNNING,
        ReplicaEvent.DRAINED: ReplicaState.IDLE,
        ReplicaEvent.FAULT: ReplicaState.RELOADING,
        ReplicaEvent.CLOSED: ReplicaState.CLOSED,
        ReplicaEvent.CRASHED: ReplicaState.FAILED,
    },
    ReplicaState.RELOADING: {
        ReplicaEvent.RELOADED: ReplicaState.IDLE,
        ReplicaEvent.CRASHED: ReplicaState.FAILED,
    },
    ReplicaState.CLOSED: {},
    ReplicaState.FAILED: {},
}


class IllegalTransition(AssertionError):
    """An event that the state does not allow. A bug of the replica."""


def next_state(state: ReplicaState, event: ReplicaEvent) -> ReplicaState:
    """The state after an event. Raises IllegalTransition where the table has none."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise IllegalTransition(f"event {event.name} in state {state.name}") from None
