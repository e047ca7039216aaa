"""Curation: which rated examples are good enough, and new enough, to train on."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from agents.curation.instruction_rules import SOFTWARE_KEYWORDS, InstructionRules
from agents.curation.leakage import find_leak
from agents.curation.novelty import NoveltyIndex
from agents.outcomes import Retraction
from agents.refusal import Refusal
from schemas.errors import SettingsError
from schemas.records import Example, ExampleOrigin, Offset, Rating, Rejection, Scored


@dataclass(frozen=True, slots=True)
class CuratorSettings:
    """What an example must satisfy. Raises SettingsError for limits that make no sense."""

    threshold: float = 4.0
    """Lowest rating that passes, 1 to 5. The paper's sets are 4 and 4.5 (arXiv 2308.06259)."""
    novelty: float = 0.7
    """ROUGE-L F1 with a kept instruction from which a new one is refused, above 0 and at most 1."""
    min_words: int = 4
    """Fewest words of an instruction."""
    max_words: int = 150
    """Most words of an instruction."""
    keywords: tuple[str, ...] = SOFTWARE_KEYWORDS
    """Whole words that an instruction must not contain; the default suits text about software."""
    ascii_start: bool = True
    """Whether an instruction must start with an ASCII character."""

    def __post_init__(self) -> None:
        if not 1 <= self.threshold <= 5:
            raise SettingsError(
                f"the curation threshold is {self.threshold}: ratings go from 1 to 5"
            )


_JUDGED = 20_000
"""Ids whose last judgement is remembered, kept or not: how late the rating of an earlier term may
come and still be known as one. As many ratings are read again when a partition is taken over.
"""

_Rank = tuple[int, str]
"""Which of two ratings of an example counts: that of the later term, and of one term that of the
greater release id.
"""


_NEVER: _Rank = (-1, "")
"""Below the rank of every rating."""


class _Kept(NamedTuple):
    """What is remembered of a kept example, the index aside."""

    rank: _Rank
    response: bytes
    """Digest of the response."""


class Curator:
    """Keeps an example that is rated well, well put, free of leaks and unlike those kept before;
    refuses the others.

    The only agent with state: what its partition has kept, and what it judged last. The one is
    rebuilt through ``restore`` from the partition of the ``curated`` topic with the same number,
    seeds included; the other through ``recall`` from the ratings that it has answered for. So
    nothing else needs to be stored.

    What ``handle`` returns is remembered as kept at once. A caller that cannot write it must not
    ask again but write again, or start over with a new Curator.
    """

    stage = "curator"

    def __init__(self, settings: CuratorSettings | None = None) -> None:
        """Raises SettingsError where the settings contradict."""
        self._settings = settings = settings or CuratorSettings()
        self._rules = InstructionRules(
            settings.min_words, settings.max_words, settings.keywords, settings.ascii_start
        )
        self._index = NoveltyIndex(settings.novelty)
        self._kept: dict[str, _Kept] = {}
        self._by_response: dict[bytes, set[str]] = {}
        self._judged: dict[str, _Rank] = {}  # the last _JUDGED ids, oldest first

    def __len__(self) -> int:
        """Examples kept."""
        return len(self._kept)

    def restore(self, example_id: str, example: Example | None) -> None:
        """Take in one record of the ``curated`` topic; None is a tombstone. To be called in order,
        before ``handle``.
        """
        if example is None:
            self._forget(example_id)
        else:
            self._keep(example, _digest(example.response))

    def recall(self, scored: Scored) -> None:
        """Take in one rating that was answered for. To be called in order, before ``handle``."""
        if _rank(scored.rating) > self._judged.get(scored.id, _NEVER):
            self._note(scored)

    async def handle(
        self, scored: Scored, at: Offset | None = None
    ) -> list[Example | Rejection | Retraction]:
        """The example, or the rejection, that follows from a rating.

        An example that is kept already is not compared with itself. Of several ratings that of the
        latest term counts, whatever the order in which they come: an earlier one, or the same
        again, gives nothing. A later one that passes gives the example anew; one that fails gives
        the rejection and takes the example back. Raises nothing.
        """
        kept = self._kept.get(scored.id)
        last = max(kept.rank if kept else _NEVER, self._judged.get(scored.id, _NEVER))
        if _rank(scored.rating) <= last:
            # a replay's score may differ in the last digits, which depend on the engine's batch
            return []
        response = _digest(scored.candidate.response)
        refusal = self._refuse(scored) or self._refuse_known(scored, response)
        self._note(scored)
        if refusal is None:
            example = _example(scored)
            self._keep(example, response)
            return [example]
        rejection = self._reject(scored, refusal)
        if kept is None:
            return [rejection]
        self._forget(scored.id)
        return [rejection, Retraction(scored.id)]

    def _refuse(self, scored: Scored) -> Refusal | None:
        """The first rule that refuses the example by itself, cheap ones before dear ones."""
        candidate = scored.candidate
        if scored.rating.score < self._settings.threshold:
            return Refusal(
                "below_threshold",
                f"rated {scored.rating.score:.2f}, at least {self._settings.threshold:g}",
            )
        return self._rules.refuse(candidate.instruction) or find_leak(
            candidate.instruction, candidate.response
        )

    def _refuse_known(self, scored: Scored, response: bytes) -> Refusal | None:
        """Whether another kept example is too like this one."""
        same = self._by_response.get(response, set()) - {scored.id}
        if same:
            return Refusal("not_novel", f"the response is that of {min(same)}")
        near = self._index.nearest(scored.candidate.instruction, besides=scored.id)
        return Refusal("not_novel", f"ROUGE-L {near.rouge_l:.2f} with {near.id}") if near else None

    def _reject(self, scored: Scored, refusal: Refusal) -> Rejection:
        rating = scored.rating
        return scored.candidate.refuse(
            self.stage, refusal.reason, refusal.detail, release=rating.release, score=rating.score
        )

    def _keep(self, example: Example, response: bytes) -> None:
        self._forget_response(example.id)
        self._kept[example.id] = _Kept(
            _rank(example.rating) if example.rating else _NEVER, response
        )
        self._by_response.setdefault(response, set()).add(example.id)
        self._index.add(example.id, example.instruction)

    def _note(self, scored: Scored) -> None:
        self._judged.pop(scored.id, None)
        self._judged[scored.id] = _rank(scored.rating)
        if len(self._judged) > _JUDGED:
            del self._judged[next(iter(self._judged))]

    def _forget(self, id: str) -> None:
        self._forget_response(id)
        self._kept.pop(id, None)
        self._index.remove(id)

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
    """128 bits that tell responses apart, white space folded as in a segment's id."""
    return blake2b(
        " ".join(response.split()).encode("utf-8", "surrogatepass"), digest_size=16
    ).digest()
