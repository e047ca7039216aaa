"""The examples that are kept, with a search for those that a new one repeats."""

from collections.abc import Iterator, Set
from hashlib import blake2b

from agents.curation.kept_instructions import KeptInstructions
from agents.curation.near_passages import PassageIndex
from agents.curation.settings import CuratorSettings
from agents.refusal import Refusal
from schemas.records import Candidate, Example, Rating

Rank = tuple[int, str]
"""Term and release id of a rating. Of two ratings of an example, the one with the higher rank
counts.
"""
UNRATED: Rank = (-1, "")
"""Below the rank of every rating."""


def rank_of(rating: Rating | None) -> Rank:
    """The rank of a rating; that of a human seed is UNRATED."""
    return (rating.term, rating.release) if rating else UNRATED


class KeptExamples:
    """Kept examples by id. Not thread-safe."""

    def __init__(self, settings: CuratorSettings) -> None:
        self._instructions = KeptInstructions(settings.novelty)
        self._passages = PassageIndex(settings.passage_novelty)
        self._ranks: dict[str, Rank] = {}
        self._responses: dict[str, bytes] = {}
        """Digest of the response of each example."""
        self._by_response: dict[bytes, set[str]] = {}

    def __len__(self) -> int:
        """Number of examples."""
        return len(self._ranks)

    def __contains__(self, id: str) -> bool:
        return id in self._ranks

    def rank(self, id: str) -> Rank:
        """The rank of an example's rating; UNRATED where it is not kept."""
        return self._ranks.get(id, UNRATED)

    def add(self, example: Example) -> None:
        """Add an example. It replaces one with the same id."""
        self._forget_response(example.id)
        response = _digest(example.response)
        self._ranks[example.id] = rank_of(example.rating)
        self._responses[example.id] = response
        self._by_response.setdefault(response, set()).add(example.id)
        self._instructions.add(example.id, example.instruction, example.turns)
        self._passages.add(example.id, example.response)

    def remove(self, id: str) -> None:
        """Remove an example; does nothing where there is none with this id."""
        self._forget_response(id)
        self._ranks.pop(id, None)
        self._instructions.remove(id)
        self._passages.remove(id)

    def refusals(self, candidate: Candidate, besides: Set[str]) -> Iterator[Refusal]:
        """The rules that compare with other examples. Those in ``besides`` are not compared."""
        same = self._by_response.get(_digest(candidate.response), set()) - besides
        if same:
            yield Refusal("same_response", f"the response is that of {min(same)}")
        near = self._instructions.nearest(candidate.instruction, candidate.turns, besides)
        if near:
            yield Refusal("not_novel", f"ROUGE-L {near.rouge_l:.2f} with {near.id}")
        alike = self._passages.nearest(candidate.response, besides)
        if alike:
            yield Refusal(
                "near_duplicate",
                f"the response has a similarity of {alike.similarity:.2f} with that of {alike.id}",
            )

    def _forget_response(self, id: str) -> None:
        response = self._responses.pop(id, None)
        if response is not None:
            owners = self._by_response[response]
            owners.discard(id)
            if not owners:
                del self._by_response[response]


def _digest(response: str) -> bytes:
    """128-bit digest of a response, with white space folded as in a segment's id."""
    return blake2b(
        " ".join(response.split()).encode("utf-8", "surrogatepass"), digest_size=16
    ).digest()
