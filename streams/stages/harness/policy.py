"""How a stage treats its messages."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StagePolicy:
    """Limits of a stage.

    A hung call cannot cost the assignment: heartbeats are sent by a thread of their own, and a
    rebalance waits for a limited time only.
    """

    in_flight: int = 256
    """Most messages in flight; reading pauses beyond it."""
    concurrent: bool = False
    """Whether each message gets a task of its own, because the agent waits for a model."""
    attempts: int = 3
    """Attempts after which a record is blamed for an error whose cause is unclear."""
    backoff: float = 0.25
    """Seconds before the second attempt; doubled for each further one, to 5 at most."""
    timeout: float = 90.0
    """Seconds that one attempt may take where ``concurrent``, waiting for the engine included."""
    remember: int = 0
    """How many processed ids are kept to recognise duplicates.

    With 0 none are, and an id that is in flight twice is processed twice.
    """
