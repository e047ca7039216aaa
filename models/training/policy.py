"""Decides when to train."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainingPolicy:
    """Starts a run after enough new examples, or after enough time with any new example."""

    min_examples: int = 200
    max_seconds: float = 6 * 3600.0

    def due(self, new_examples: int, seconds_since_last: float) -> bool:
        """Return whether to train now."""
        return new_examples >= self.min_examples or (
            new_examples > 0 and seconds_since_last >= self.max_seconds
        )
