"""How many of the last rated candidates the curator's rating rule accepts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import fmean

from agents.curation.settings import CuratorSettings
from schemas.records import Rating, Scored
from streams.kafka.cluster import Cluster
from streams.kafka.reading.records import RecordReader
from streams.kafka.reading.replay import replay
from streams.kafka.topics import SCORED
from streams.quantities import as_count
from streams.settings import Settings

_LAST = 1000
"""Ratings of each partition that are looked at."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The last ratings of the release that rated last."""

    release: str
    rule: str
    """What the rule asks for: ``rated 4 or more``."""
    ratings: int
    accepted: int
    precision: float | None
    """Estimated precision at the lowest accepted rating, which holds for the pairs that the judge
    was measured on. None without a judge, and where none is accepted.
    """
    expected: float | None
    """The same share as the mean of the probabilities that the accepted ones were rated with."""

    def __str__(self) -> str:
        share = f"{self.accepted / self.ratings:.0%}"
        precision = (
            f"; of pairs rated as high, an estimated {self.precision:.0%} deserve a 4 or 5"
            if self.precision is not None
            else ""
        )
        return (
            f"{share} of the last {as_count(self.ratings, 'rating')} of {self.release} are high "
            f"enough ({self.rule}){precision}"
        )


def acceptance_of(ratings: Iterable[Rating], rule: CuratorSettings) -> Acceptance | None:
    """Summarize ratings in their order. None where there are none.

    Only those of the release with the highest term count. Models that were never announced have
    the same term; of them, the one that rated last counts.
    """
    every = list(ratings)
    if not every:
        return None
    latest = max(reversed(every), key=lambda rating: rating.term)
    chosen = [rating for rating in every if rating.release == latest.release]
    accepted = [rating for rating in chosen if rule.refuse_rating(rating) is None]
    precisions = [rating.precision for rating in accepted if rating.precision is not None]
    by_precision = rule.target_precision is not None and latest.precision is not None
    return Acceptance(
        latest.release,
        f"estimated precision {rule.target_precision:g} or more"
        if by_precision
        else f"rated {rule.threshold:g} or more",
        len(chosen),
        len(accepted),
        min(precisions) if precisions else None,
        fmean(rating.probabilities[3] + rating.probabilities[4] for rating in accepted)
        if accepted
        else None,
    )


def read_acceptance(
    cluster: Cluster, settings: Settings, reader: RecordReader | None = None
) -> Acceptance | None:
    """Read the last ratings of ``scored``. None where there are none. Raises BrokerError."""
    return acceptance_of(_last_ratings(cluster, reader or RecordReader()), settings.curation)


def _last_ratings(cluster: Cluster, reader: RecordReader) -> Iterator[Rating]:
    for received in replay(cluster, SCORED, last=_LAST):
        scored = reader.read_record(received, Scored)
        if scored is not None and scored.ruling is None:
            yield scored.rating
