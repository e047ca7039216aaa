"""What the promotion gate decides about a release."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision of the promotion gate."""

    promote: bool
    reason: str
    """One sentence."""
