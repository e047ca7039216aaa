"""The curator agent: keeps the rated examples that are good and novel enough to train on."""

from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

from agents.curation.example_rules import ExampleRules
from agents.curation.near_passages import PassageIndex
from agents.curation.novelty import NoveltyIndex
from agents.curation.settings import CuratorSettings
from agents.outcomes import Retraction
from agents.refusal import Refusal
from schemas.records import Example, ExampleOrigin, Offset, Rating, Rejection, Scored

_RECENT_RATINGS = 20_000
"""Number of ids whose latest rating is remembered, kept or not.

It bounds how late a rating of an earlier term may arrive and still be recognised as outdated. When
a partition is assigned, this number of ratings is read again.
"""

_Rank = tuple[int, str]
"""Term and release id of a rating. Of two ratings of an example, the one with the higher rank
counts.
"""


_UNRATED: _Rank = (-1, "")
"""Below the rank of every rating."""


class _Kept(NamedTuple):
    """State of a kept example outside of the novelty index."""

    rank: _Rank
    response: bytes
    """Digest of the response."""


class Curator:
    """Scored → Example, or a Rejection; also a Retraction where a kept example is rated down.

    An example is kept if its rating reaches the threshold, its instruction passes the rules, no
    text leaks, and neither its instruction nor its response is a near duplicate of one that was
    kept before.

    This is the only agent with state. The kept examples of its partition, seeds included, are
    rebuilt through ``restore`` from the partition of the ``curated`` topic with the same number.
    The latest ratings are rebuilt through ``recall`` from the acknowledged part of ``scored``.

    ``handle`` updates the state before the caller writes the outcome. A caller that fails to write
    it must write the same outcome again, or start over with a new Curator; it must not call
    ``handle`` again.
    """

    stage = "curator"

    def __init__(
        self, settings: CuratorSettings | None = None, rules: ExampleRules | None = None
    ) -> None:
        """``rules`` are those of the settings, where they were made before.

        Raises SettingsError where a file that the settings name cannot be read.
        """
        self._settings = settings = settings or CuratorSettings()
        self._rules = rules or ExampleRules(settings)
        self._index = NoveltyIndex(settings.novelty)
        self._passages = PassageIndex(settings.passage_novelty)
        self._kept: dict[str, _Kept] = {}
        self._by_response: dict[bytes, set[str]] = {}
        self._rated: dict[str, _Rank] = {}
        """Rank of the latest rating of the last _RECENT_RATINGS ids, oldest first."""

    def __len__(self) -> int:
        """Number of kept examples."""
        return len(self._kept)

    def restore(self, example_id: str, example: Example | None) -> None:
        """Apply one record of the ``curated`` topic; None is a tombstone.

        Call it in the order of the topic, before ``handle``.
        """
        if example is None:
            self._forget(example_id)
        else:
            self._keep(example, _digest(example.response))

    def recall(self, scored: Scored) -> None:
        """Apply one rating that was acknowledged before.

        Call it in the order of the topic, before ``handle``.
        """
        if _rank(scored.rating) > self._rated.get(scored.id, _UNRATED):
            self._remember(scored)

    async def handle(
        self, scored: Scored, at: Offset | None = None
    ) -> list[Example | Rejection | Retraction]:
        """Return the example or the rejection that follows from a rating. Raises nothing.

        Of several ratings of an example, the one of the latest term counts, in whatever order they
        arrive. A rating of an earlier term, or of the same one again, gives an empty list. A newer
        rating of a kept example gives the example again where it passes, and a rejection and a
        retraction where it fails. A kept example is not compared with itself.
        """
        kept = self._kept.get(scored.id)
        latest = max(kept.rank if kept else _UNRATED, self._rated.get(scored.id, _UNRATED))
        if _rank(scored.rating) <= latest:
            # Compared by rank, not by score: the score of a replay may differ in the last digits,
            # which depend on the engine's batch.
            return []
        scored = scored.model_copy(update={"candidate": self._rules.masked(scored.candidate)})
        response = _digest(scored.candidate.response)
        refusal = self._settings.rules.first(self._refusals(scored, response))
        self._remember(scored)
        if refusal is None:
            example = _example(scored)
            self._keep(example, response)
            return [example]
        rejection = self._reject(scored, refusal)
        if kept is None:
            return [rejection]
        self._forget(scored.id)
        return [rejection, Retraction(scored.id)]

    def _refusals(self, scored: Scored, response: bytes) -> Iterator[Refusal]:
        """Every refusal of an example, in the order in which the rules are applied."""
        if refusal := self._settings.refuse_rating(scored.rating):
            yield refusal
        yield from self._rules.refusals(scored.candidate)
        yield from self._known(scored, response)

    def _known(self, scored: Scored, response: bytes) -> Iterator[Refusal]:
        """Apply the rules that compare with other kept examples."""
        same = self._by_response.get(response, set()) - {scored.id}
        if same:
            yield Refusal("same_response", f"the response is that of {min(same)}")
        near = self._index.nearest(scored.candidate.instruction, besides=scored.id)
        if near:
            yield Refusal("not_novel", f"ROUGE-L {near.rouge_l:.2f} with {near.id}")
        alike = self._passages.nearest(scored.candidate.response, besides=scored.id)
        if alike:
            yield Refusal(
                "near_duplicate",
                f"the response has a similarity of {alike.similarity:.2f} with that of {alike.id}",
            )

    def _reject(self, scored: Scored, refusal: Refusal) -> Rejection:
        rating = scored.rating
        return scored.candidate.refuse(
            self.stage, refusal.reason, refusal.detail, release=rating.release, score=rating.score
        )

    def _keep(self, example: Example, response: bytes) -> None:
        self._forget_response(example.id)
        self._kept[example.id] = _Kept(
            _rank(example.rating) if example.rating else _UNRATED, response
        )
        self._by_response.setdefault(response, set()).add(example.id)
        self._index.add(example.id, example.instruction)
        self._passages.add(example.id, example.response)

    def _remember(self, scored: Scored) -> None:
        self._rated.pop(scored.id, None)
        self._rated[scored.id] = _rank(scored.rating)
        if len(self._rated) > _RECENT_RATINGS:
            del self._rated[next(iter(self._rated))]

    def _forget(self, id: str) -> None:
        self._forget_response(id)
        self._kept.pop(id, None)
        self._index.remove(id)
        self._passages.remove(id)

    def _forget_response(self, id: str) -> None:
        kept = self._kept.get(id)
        if kept is not None:
            owners = self._by_response[kept.response]
            owners.discard(id)
            if not owners:
                del self._by_response[kept.response]


def _rank(rating: Rating) -> _Rank:
    return rating.term, rating.release


def _example(scored: Scored) -> Example:
    candidate = scored.candidate
    return Example(
        id=scored.id,
        instruction=candidate.instruction,
        context=candidate.context,
        response=candidate.response,
        origin=ExampleOrigin.AUGMENTED,
        rating=scored.rating,
        provenance=candidate.provenance,
    )


def _digest(response: str) -> bytes:
    """128-bit digest of a response, with white space folded as in a segment's id."""
    return blake2b(
        " ".join(response.split()).encode("utf-8", "surrogatepass"), digest_size=16
    ).digest()
