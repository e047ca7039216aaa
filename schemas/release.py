"""The record of an announced release."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from schemas.record import Count, Record, ReleaseId, Seconds


class ReleaseStatus(StrEnum):
    """Whether a release was deployed."""

    IN_SERVICE = "in_service"
    KEPT = "kept"

    @property
    def in_words(self) -> str:
        """What was decided about the release, for people."""
        return "deployed" if self is ReleaseStatus.IN_SERVICE else "kept back"


class Release(Record):
    """An announcement of trained models: the manifest of a release directory without its files."""

    name: ClassVar[str] = "release"

    id: ReleaseId
    parent: str | None
    """Id of the release that was deployed while the training set was curated."""
    base: str
    """Id of the model that training started from."""
    status: ReleaseStatus
    location: str = Field(pattern=r"^[^\x00]*$")
    """Where the trainer wrote it, for people. Readers find the release by its id, in their own
    releases directory.
    """
    created_at: float = Field(allow_inf_nan=False)
    """Seconds since the epoch."""
    announced_at: Seconds = 0.0
    """Seconds since the epoch. Readers replace it with the time of the message. Of several
    announcements of a release, the last one counts.
    """
    term: Count = 0
    """Deployment term: the offset of this announcement plus 1. It is 0 in the message itself and
    filled in by readers. See ``Rating.term``.
    """
    metrics: dict[str, float] = Field(default={})
    """Metrics on held-out pairs."""
    parent_metrics: dict[str, float] = Field(default={})
    """The parent's metrics on the same pairs."""
    intervals: dict[str, tuple[float, float, float]] = Field(default={})
    """Release minus parent for each metric, with the ends of its 95% bootstrap interval."""
    reason: str = ""
    """Why the promotion gate deployed it or did not, in one sentence."""
    examples: Count = 0
    """Number of curated examples in the training set."""
    seeds: Count = 0
    """Number of human seeds in the training set."""
