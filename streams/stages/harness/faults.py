"""Which errors are the fault of a record, and which of its surroundings.

A record at fault becomes a dead letter. Where the surroundings are at fault, the stage waits and
tries again without end, and no record is blamed. This is the only place that tells them apart.
"""

from enum import Enum, auto

from schemas.errors import (
    BrokerError,
    EngineStopped,
    ModelError,
    RemoteUnavailable,
    StateUnavailable,
    TimeLimitExceeded,
    WireError,
)


class Fault(Enum):
    """What is at fault for an error, as far as its type tells."""

    RECORD = auto()
    """The record. Another attempt has the same result."""
    SURROUNDINGS = auto()
    """The broker, the disk, a model behind an address, or a state that is being restored.

    It may pass.
    """
    PROCESS = auto()
    """Something of this process that does not recover. A new process must take over."""
    UNCLEAR = auto()
    """The agent or the engine failed while it worked on the record. Either may be at fault.

    The record is blamed after several attempts, each followed by a successful probe of what its
    agent depends on.
    """


_FAULTS: tuple[tuple[type[BaseException], Fault], ...] = (
    (WireError, Fault.RECORD),
    (TimeLimitExceeded, Fault.RECORD),
    (ModelError, Fault.RECORD),
    (EngineStopped, Fault.PROCESS),
    (TimeoutError, Fault.UNCLEAR),  # an OSError, but here the time limit of an attempt
    (BrokerError, Fault.SURROUNDINGS),
    (OSError, Fault.SURROUNDINGS),
    (StateUnavailable, Fault.SURROUNDINGS),
    (RemoteUnavailable, Fault.SURROUNDINGS),
)
"""The first type that fits decides. An error of any other type is unclear."""


def fault_of(error: BaseException) -> Fault:
    """What is at fault for an error that occurred while a record was processed."""
    return next((fault for kind, fault in _FAULTS if isinstance(error, kind)), Fault.UNCLEAR)
