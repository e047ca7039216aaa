"""What was read for a report, before anything is counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.records import Decision, HumanRating
from streams.report.content import Stage
from streams.report.gathering.item import Item


class Newest(NamedTuple):
    """The newest rating of a pair."""

    term: int
    release: str
    score: float
    good: float
    """Probability of a 4 or 5."""
    precision: float | None
    """See ``Rating.precision``."""


class Refused(NamedTuple):
    """A pair that was refused."""

    item: Item
    reason: str
    """Reason and detail."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The curated set, and what a stream knows beside it."""

    about: str
    items: Sequence[Item]
    """In the order in which they came."""
    from_stream: bool = False
    threshold: float | None = None
    stages: Sequence[Stage] = ()
    ratings: Mapping[str, Newest] = field(default_factory=dict)
    """By example id; of kept and refused pairs."""
    human: Sequence[HumanRating] = ()
    decisions: Sequence[Decision] = ()
    """The newest one of each example."""
    refused: Sequence[Refused] = ()
    """A few for each reason."""
