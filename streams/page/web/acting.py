"""What a person can do on the page, as records on the topics."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from streams.data.decisions import Decisions, KnownDecisions, open_decisions
from streams.data.judging import Judging, Undone
from streams.data.ratings import open_ratings
from streams.kafka.cluster import Cluster
from streams.kafka.writing.sending_back import SentBack, send_back
from streams.observe.letters import find_letter, read_letters
from streams.page.store.item_views import ItemDetails
from streams.releases import announcements
from streams.stages.topology import STAGES

_LOCKS = 64
"""Pairs share one by the hash of their id."""


class Actions(Protocol):
    """Each returns when the broker has acknowledged it, and raises BackstreamError where not.

    ``by`` says who acts.
    """

    threshold: float
    """Lowest rating by a person that accepts a pair."""

    def drop(self, item: ItemDetails, by: str) -> None:
        """Remove a pair from the curated set."""

    def accept(self, item: ItemDetails, by: str) -> None:
        """Keep a pair, whatever its rating is."""

    def edit(
        self,
        item: ItemDetails,
        by: str,
        *,
        instruction: str | None,
        context: str | None,
        response: str | None,
    ) -> None:
        """Keep a pair with other texts. None leaves a text as it is."""

    def undo(self, id: str, by: str) -> Undone:
        """Take the decision about a pair back, with the rating that made it.

        Without a decision, take the rating back.
        """

    def rate(self, item: ItemDetails, score: int, by: str) -> None:
        """Rate a pair from 1 to 5: it is dropped below the threshold, and accepted otherwise."""

    def take_back(self, id: str, by: str) -> bool:
        """Retract the rating of a pair, and undo its decision; False where it has neither."""

    def promote(self, id: str) -> None:
        """Deploy a release."""

    def roll_back(self, base: str) -> str:
        """Take back the deployed release of a base; return what is deployed then."""

    def replay(self, at: str) -> SentBack:
        """Send a dead letter back to its topic."""

    def replay_all(self, stage: str | None) -> SentBack:
        """Send all dead letters back, or those of a stage."""


class KafkaActions:
    """Actions on the topics of a cluster."""

    def __init__(self, cluster: Cluster, threshold: float) -> None:
        self._cluster = cluster
        self.threshold = threshold
        self._known = KnownDecisions(cluster, fresh_seconds=0.0)
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    @contextmanager
    def _deciding(self, id: str) -> Iterator[Decisions]:
        """A writer of decisions about a pair. No other request decides about it meanwhile.

        So the decision and the rating of one request belong together.
        """
        with (
            self._locks[hash(id) % _LOCKS],
            open_decisions(self._cluster, self._known) as decisions,
        ):
            yield decisions

    def drop(self, item: ItemDetails, by: str) -> None:
        """See Actions."""
        assert item.pair is not None
        with self._deciding(item.pair.id) as decisions:
            decisions.drop(item.pair, by)

    def accept(self, item: ItemDetails, by: str) -> None:
        """See Actions."""
        assert item.pair is not None
        with self._deciding(item.pair.id) as decisions:
            decisions.accept(item.pair, by)

    def edit(
        self,
        item: ItemDetails,
        by: str,
        *,
        instruction: str | None,
        context: str | None,
        response: str | None,
    ) -> None:
        """See Actions."""
        assert item.pair is not None
        with self._deciding(item.pair.id) as decisions:
            decisions.edit(
                item.pair, by, instruction=instruction, context=context, response=response
            )

    def undo(self, id: str, by: str) -> Undone:
        """See Actions."""
        with self._deciding(id) as decisions, open_ratings(self._cluster) as ratings:
            return Judging(ratings, decisions, self.threshold).undo(id, by)

    def rate(self, item: ItemDetails, score: int, by: str) -> None:
        """See Actions."""
        assert item.pair is not None
        with self._deciding(item.pair.id) as decisions, open_ratings(self._cluster) as ratings:
            Judging(ratings, decisions, self.threshold).rate(item.pair, score, by)

    def take_back(self, id: str, by: str) -> bool:
        """See Actions."""
        with self._deciding(id) as decisions, open_ratings(self._cluster) as ratings:
            return Judging(ratings, decisions, self.threshold).take_back(id, by)

    def promote(self, id: str) -> None:
        """See Actions."""
        announcements.promote(self._cluster, id)

    def roll_back(self, base: str) -> str:
        """See Actions."""
        _, serving = announcements.roll_back(self._cluster, base)
        return serving.id

    def replay(self, at: str) -> SentBack:
        """See Actions."""
        letters = [find_letter(self._cluster, at)]
        return send_back(self._cluster, letters, [spec.source for spec in STAGES])

    def replay_all(self, stage: str | None) -> SentBack:
        """See Actions."""
        letters = read_letters(self._cluster, stage)
        return send_back(self._cluster, letters, [spec.source for spec in STAGES])
